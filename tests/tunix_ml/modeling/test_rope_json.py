from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import LinearScaling, Llama3Scaling
from tunix_ml.modeling.families import FAMILIES
from tunix_ml.modeling.rope_json import read_ropes

LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LINEAR = {"rope_type": "linear", "factor": 8.0}


def read(model_type: str, **values: Any) -> dict[str, Any]:
    return read_ropes({"max_position_embeddings": 64, **values}, FAMILIES[model_type])


@pytest.mark.parametrize(
    "values",
    [
        {"rope_theta": 5e5},
        {"rope_theta": 5e5, "rope_scaling": None},
        {"rope_parameters": {"rope_theta": 500_000, "rope_type": "default"}},
        {"rope_theta": 5e5, "rope_parameters": {"rope_theta": 5e5}},
    ],
)
def test_the_base_is_read_as_transformers_4_and_5_write_it(values: dict[str, Any]) -> None:
    assert read("llama", **values) == {"rope_theta": 500_000.0, "rope_scaling": None}


def test_the_base_has_the_familys_default() -> None:
    assert read("llama")["rope_theta"] == 10_000.0
    assert read("smollm3")["rope_theta"] == 2_000_000.0
    assert read("gemma3_text")["rope_theta"] == 1_000_000.0
    assert read("gemma3_text")["local_rope_theta"] == 10_000.0


@pytest.mark.parametrize(
    "values",
    [
        {"rope_scaling": {"type": "linear", "factor": 8.0}},
        {"rope_scaling": LINEAR, "rope_parameters": LINEAR | {"rope_theta": 1e4}},
    ],
)
def test_a_linear_scaling_is_read_under_either_key(values: dict[str, Any]) -> None:
    assert read("llama", **values)["rope_scaling"] == LinearScaling(factor=8.0)


@pytest.mark.parametrize(("given", "expected"), [({"original_max_position_embeddings": 32}, 32), ({}, 64)])
def test_the_trained_length_of_llama_3_is_the_models_unless_given(
    given: dict[str, int], expected: int
) -> None:
    scaling = read("llama", rope_scaling={"rope_type": "llama3", **LLAMA3, **given})["rope_scaling"]

    assert scaling == Llama3Scaling(**LLAMA3, original_max_position_embeddings=expected)


@pytest.mark.parametrize(
    "values",
    [
        {"rope_theta": 1e5, "rope_local_base_freq": 100.0, "rope_scaling": LINEAR},
        {
            "rope_parameters": {
                "full_attention": {"rope_theta": 1e5, **LINEAR},
                "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"},
            }
        },
    ],
)
def test_gemma_3_has_two_bases_and_scales_one(values: dict[str, Any]) -> None:
    expected = {"rope_theta": 1e5, "rope_scaling": LinearScaling(factor=8.0), "local_rope_theta": 100.0}

    assert read("gemma3_text", **values) == expected


@pytest.mark.parametrize(
    ("model_type", "values", "message"),
    [
        (
            "llama",
            {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
            "rope_type 'yarn' is not supported",
        ),
        ("llama", {"rope_scaling": {"type": "dynamic"}}, "'dynamic' .* 'default', 'linear', 'llama3' are"),
        ("llama", {"rope_scaling": {"rope_type": "linear"}}, "rope_type 'linear' needs 'factor'"),
        ("llama", {"rope_scaling": LINEAR | {"factor": 0}}, "factor 0 is not a number above 0"),
        ("llama", {"rope_scaling": LINEAR | {"mrope_section": [1]}}, "'linear' has no 'mrope_section'"),
        ("llama", {"rope_scaling": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor 0.5"),
        ("llama", {"rope_scaling": "linear"}, "rope_scaling 'linear' is not an object"),
        ("llama", {"rope_theta": "1e4"}, "rope_theta '1e4' is not a number above 0"),
        (
            "llama",
            {"rope_theta": 5.0, "rope_parameters": {"rope_theta": 6.0}},
            "rope_theta 5.0 is not the 6.0 of rope_parameters",
        ),
        (
            "llama",
            {"rope_scaling": LINEAR, "rope_parameters": LINEAR | {"factor": 2.0}},
            "factor is 2.0 in rope_parameters, 8.0 in rope_scaling",
        ),
        (
            "llama",
            {"rope_scaling": {"rope_type": "llama3", **LLAMA3}, "original_max_position_embeddings": 32},
            "original_max_position_embeddings is 32 and 64",
        ),
        ("gemma3_text", {"rope_parameters": {"rope_theta": 5.0}}, "rope_parameters has 'rope_theta'"),
        (
            "gemma3_text",
            {"rope_parameters": {"sliding_attention": LINEAR}},
            "sliding_attention has rope_type 'linear'",
        ),
    ],
)
def test_positions_that_the_decoder_does_not_compute_are_refused(
    model_type: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        read(model_type, **values)
