"""The shape of a decoder, under Hugging Face's names, to and from `config.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunix_ml.contracts.base import ContractError

# What each flag of a Llama `config.json` must be for the decoder to compute the same thing.
_SUPPORTED: dict[str, object] = {
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
}


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a Llama-compatible decoder.

    Raises:
        ContractError: the heads do not divide the width, or a head cannot be rotated.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ContractError(
                f"num_key_value_heads {self.num_key_value_heads} does not divide"
                f" num_attention_heads {self.num_attention_heads}"
            )
        if self.head_dim % 2:
            raise ContractError(f"head_dim {self.head_dim} is odd: rotary positions need pairs")


def to_huggingface(config: ModelConfig, *, special_token_ids: Mapping[str, int | None]) -> dict[str, Any]:
    """Return the `config.json` of a `LlamaForCausalLM`, readable by transformers 4 and 5.

    Args:
        config: the shape.
        special_token_ids: `bos_token_id`, `eos_token_id` and `pad_token_id`.
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_position_embeddings,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_theta": config.rope_theta, "rope_type": "default"},
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tie_word_embeddings,
        "dtype": "float32",
        "torch_dtype": "float32",
        **_SUPPORTED,
        **special_token_ids,
    }


def from_huggingface(values: Mapping[str, Any]) -> ModelConfig:
    """Return the shape that a `config.json` describes, in the keys of transformers 4 or 5.

    Raises:
        ContractError: a key is missing, or asks for something the decoder does not compute.
    """
    if values.get("model_type") != "llama":
        raise ContractError(f"model_type {values.get('model_type')!r} is not supported, 'llama' is")
    for name, expected in _SUPPORTED.items():
        if values.get(name, expected) != expected:
            raise ContractError(f"{name} {values[name]!r} is not supported, {expected!r} is")
    try:
        return ModelConfig(
            vocab_size=values["vocab_size"],
            hidden_size=values["hidden_size"],
            intermediate_size=values["intermediate_size"],
            num_hidden_layers=values["num_hidden_layers"],
            num_attention_heads=values["num_attention_heads"],
            num_key_value_heads=values.get("num_key_value_heads") or values["num_attention_heads"],
            head_dim=values.get("head_dim") or values["hidden_size"] // values["num_attention_heads"],
            max_position_embeddings=values["max_position_embeddings"],
            rope_theta=_rope_theta(values),
            rms_norm_eps=values["rms_norm_eps"],
            tie_word_embeddings=values.get("tie_word_embeddings", False),
        )
    except KeyError as error:
        raise ContractError(f"config.json has no {error.args[0]!r}") from error


def _rope_theta(values: Mapping[str, Any]) -> float:
    """Return the base of the rotary positions.

    transformers 5 keeps it in `rope_parameters`; 4 has it at the top, with `rope_scaling` beside it.
    """
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        raise ContractError(f"rope_type {rope_type!r} is not supported, 'default' is")
    theta: float = rope.get("rope_theta", values.get("rope_theta", 10_000.0))
    return theta
