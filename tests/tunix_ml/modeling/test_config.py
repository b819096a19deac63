from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig, from_huggingface, to_huggingface

CONFIG = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=4,
    max_position_embeddings=64,
    rope_theta=50_000.0,
)
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def written(**changes: Any) -> dict[str, Any]:
    values = to_huggingface(CONFIG, special_token_ids=TOKENS) | changes
    return {name: value for name, value in values.items() if value is not ...}


def test_a_config_survives_the_way_through_huggingface() -> None:
    assert from_huggingface(written()) == CONFIG


def test_the_base_of_the_positions_is_read_as_transformers_4_writes_it() -> None:
    assert from_huggingface(written(rope_parameters=..., rope_scaling=None)).rope_theta == 50_000.0


def test_the_base_of_the_positions_is_read_as_transformers_5_writes_it() -> None:
    assert from_huggingface(written(rope_theta=...)).rope_theta == 50_000.0


def test_heads_and_their_size_have_llamas_defaults() -> None:
    config = from_huggingface(written(num_key_value_heads=..., head_dim=..., tie_word_embeddings=...))

    assert (config.num_key_value_heads, config.head_dim, config.tie_word_embeddings) == (4, 4, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba' is not supported"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu' is not supported"),
        ({"attention_bias": True}, "attention_bias True is not supported"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rope_type 'llama3' is not supported"),
        ({"rope_parameters": ..., "rope_scaling": {"type": "linear"}}, "rope_type 'linear'"),
        ({"hidden_size": ...}, "config.json has no 'hidden_size'"),
        ({"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide num_attention_heads 4"),
        ({"head_dim": 5}, "head_dim 5 is odd"),
    ],
)
def test_what_the_decoder_does_not_compute_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        from_huggingface(written(**changes))


def test_transformers_reads_the_same_config() -> None:
    from transformers import LlamaConfig

    config = LlamaConfig.from_dict(written())

    assert config.num_key_value_heads == 2
    assert config.rope_parameters["rope_theta"] == 50_000.0
    assert config.eos_token_id == 2
