import dataclasses
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import LayerKind, LinearScaling, Llama3Scaling, ModelConfig, Rope

CONFIG = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=4,
    max_position_embeddings=64,
)


def changed(**changes: Any) -> ModelConfig:
    return dataclasses.replace(CONFIG, **changes)


def test_all_layers_of_a_llama_are_of_one_kind() -> None:
    assert CONFIG.layer_kinds == (LayerKind(None, Rope(10_000.0)),) * 4
    assert CONFIG.period == 1


def test_sliding_layers_have_a_window_and_rotary_positions_of_their_own() -> None:
    config = changed(
        sliding_window=8,
        sliding_layers=(0, 2),
        local_rope_theta=100.0,
        rope_scaling=LinearScaling(factor=2.0),
    )

    local, usual = LayerKind(8, Rope(100.0)), LayerKind(None, Rope(10_000.0, LinearScaling(factor=2.0)))
    assert config.layer_kinds == (local, usual, local, usual)
    assert config.period == 2


def test_kinds_that_never_repeat_have_the_number_of_layers_as_period() -> None:
    assert changed(no_rope_layers=(0,)).period == 4


def test_a_period_need_not_divide_the_number_of_layers() -> None:
    assert changed(num_hidden_layers=5, sliding_window=8, sliding_layers=(0, 1, 3, 4)).period == 3


def test_scores_are_divided_by_the_root_of_the_head_or_of_a_number_given() -> None:
    assert CONFIG.attention_scale == 0.5
    assert changed(query_pre_attn_scalar=16).attention_scale == 0.25


def test_learned_positions_are_not_rotated() -> None:
    assert changed(model_type="gpt2", head_dim=3).layer_kinds[0].rope is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba' is not supported"),
        ({"hidden_size": 0}, "hidden_size 0 is not a whole number from 1 on"),
        ({"head_dim": "64"}, "head_dim '64' is not a whole number"),
        ({"head_dim": 5}, "head_dim 5 is odd"),
        ({"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide num_attention_heads 4"),
        ({"norm_eps": "1e-5"}, "norm_eps '1e-5' is not a number above 0"),
        ({"final_logit_softcapping": 0.0}, "final_logit_softcapping 0.0 is not a number above 0"),
        ({"sliding_layers": (1,)}, r"sliding_window None is not .* and layers \[1\] attend within it"),
    ],
)
def test_values_that_make_no_decoder_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        changed(**changes)


def test_a_scaling_without_frequencies_between_low_and_high_is_refused() -> None:
    with pytest.raises(ContractError, match=r"low_freq_factor 4\.0 is not below high_freq_factor 4\.0"):
        Llama3Scaling(
            factor=2.0, low_freq_factor=4.0, high_freq_factor=4.0, original_max_position_embeddings=8
        )
