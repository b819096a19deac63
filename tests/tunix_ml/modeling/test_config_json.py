import json
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.config_json import from_huggingface, to_huggingface

FIXTURES = Path(__file__).parent / "fixtures"
CASES = sorted(path.name for path in FIXTURES.iterdir())
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def of_fixture(name: str, **changes: Any) -> dict[str, Any]:
    """Return a `config.json` that transformers wrote, with some keys changed, and those of `...` left out."""
    values = json.loads((FIXTURES / name / "config.json").read_bytes()) | changes
    return {key: value for key, value in values.items() if value is not ...}


def read(name: str, **changes: Any) -> ModelConfig:
    return from_huggingface(of_fixture(name, **changes))


@pytest.mark.parametrize("name", CASES)
def test_a_config_survives_the_way_through_huggingface(name: str) -> None:
    config = read(name)

    assert from_huggingface(to_huggingface(config, special_token_ids=TOKENS)) == config


@pytest.mark.parametrize("name", CASES)
def test_transformers_reads_what_it_wrote_itself(name: str) -> None:
    from transformers import AutoConfig

    written = to_huggingface(read(name), special_token_ids=TOKENS)

    ours = AutoConfig.for_model(**written).to_dict()
    theirs = AutoConfig.for_model(**of_fixture(name)).to_dict()
    ignored = {"dtype", "pad_token_id", "transformers_version", "max_window_layers", "no_rope_layer_interval"}
    for key in theirs.keys() - ignored:
        assert ours[key] == theirs[key], key


def test_heads_and_their_size_have_llamas_defaults() -> None:
    config = read("llama_theta", num_key_value_heads=..., head_dim=..., tie_word_embeddings=...)

    assert (config.num_key_value_heads, config.head_dim, config.tie_word_embeddings) == (4, 4, False)


def test_a_gemma_is_tied_and_has_heads_of_256_unless_it_says_otherwise() -> None:
    config = read("gemma", head_dim=..., tie_word_embeddings=..., hidden_act="gelu", hidden_activation=None)

    assert (config.head_dim, config.tie_word_embeddings) == (256, True)


def test_a_gpt2_is_four_times_as_wide_inside_unless_it_says_otherwise() -> None:
    assert read("gpt2", n_inner=None).intermediate_size == 64


@pytest.mark.parametrize(
    ("name", "changes", "layers"),
    [
        ("mistral", {}, (0, 1)),
        ("mistral", {"sliding_window": None}, ()),
        ("qwen2", {"layer_types": ...}, (1, 2)),
        ("qwen2", {"layer_types": ..., "max_window_layers": 0}, (0, 1, 2)),
        ("qwen2", {"layer_types": ..., "use_sliding_window": False}, ()),
        ("gemma2", {"layer_types": ...}, (0,)),
        ("gemma3_text", {"layer_types": ...}, (0, 1, 2, 3)),
        ("gemma3_text", {"layer_types": ..., "sliding_window_pattern": 2}, (0, 2)),
        ("smollm3", {"layer_types": ..., "use_sliding_window": True, "sliding_window": 9}, (1, 3)),
        ("smollm3", {"layer_types": None, "no_rope_layers": None, "no_rope_layer_interval": 4}, ()),
        ("llama_theta", {"sliding_window": 9}, ()),
    ],
)
def test_windows_are_where_transformers_has_them(
    name: str, changes: dict[str, Any], layers: tuple[int, ...]
) -> None:
    config = read(name, **changes)

    assert config.sliding_layers == layers
    assert (config.sliding_window is not None) == bool(layers)


def test_zeros_in_no_rope_layers_are_the_layers_without_positions() -> None:
    assert read("smollm3").no_rope_layers == (1, 3)
    assert read("smollm3", no_rope_layers=[0, 1, 1, 1]).no_rope_layers == (0,)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama_theta", {"model_type": "mamba"}, "model_type 'mamba' is not supported"),
        ("llama_theta", {"hidden_act": "gelu"}, "hidden_act 'gelu' is not supported for 'llama', 'silu' is"),
        ("gemma", {"hidden_activation": "gelu"}, "hidden_activation 'gelu' is not supported for 'gemma'"),
        ("gpt2", {"activation_function": "relu"}, "activation_function 'relu' .* 'gelu_new' or"),
        ("llama_theta", {"hidden_size": ...}, "config.json has no 'hidden_size'"),
        ("qwen3", {"num_key_value_heads": ...}, "config.json has no 'num_key_value_heads'"),
        ("llama_theta", {"hidden_size": "16"}, "hidden_size '16' is not a whole number from 1 on"),
        ("llama_theta", {"rms_norm_eps": "1e-6"}, "norm_eps '1e-6' is not a number above 0"),
        ("llama_theta", {"mlp_bias": None}, "mlp_bias None is neither true nor false"),
        ("llama_theta", {"tie_word_embeddings": 1}, "tie_word_embeddings 1 is neither true nor false"),
        (
            "llama_theta",
            {"head_dim": None, "hidden_size": 18},
            "4 attention heads do not divide the width 18",
        ),
        ("llama_theta", {"quantization_config": {"bits": 4}}, "quantization_config .* is not supported"),
        ("llama_theta", {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5 is not supported, 1.0 is"),
        ("llama_theta", {"final_logit_softcapping": 30.0}, "final_logit_softcapping 30.0 is not supported"),
        ("gemma3_text", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping 50.0 .* null is"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention True"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True"),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights False is not supported, True is"),
        ("qwen2", {"use_sliding_window": False}, "sliding_window None is not a whole number"),
        ("qwen2", {"layer_types": ["full_attention"]}, "is not a list of 3 of 'full_attention' and"),
        ("mistral", {"layer_types": ["full_attention"] * 2}, r"layer_types .* slides in layers \[0, 1\]"),
        ("smollm3", {"no_rope_layers": [1, 2, 0, 1]}, "is not a list of 4 ones and zeros"),
    ],
)
def test_what_the_decoder_does_not_compute_is_refused(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        read(name, **changes)


def test_a_shape_that_its_family_cannot_say_is_not_written() -> None:
    shape = {"model_type": "llama", "sliding_window": 4, "sliding_layers": (0,)}
    config = ModelConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=64,
        **shape,  # type: ignore[arg-type]
    )

    with pytest.raises(ContractError, match="sliding_window 4 cannot be written for model_type 'llama'"):
        to_huggingface(config, special_token_ids=TOKENS)
