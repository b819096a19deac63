"""The model families: one row of what sets each apart from Llama, whatever its `config.json` says.

What varies within a family is a field of `ModelConfig`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tunix_ml.contracts.base import ContractError


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the models of one `model_type` compute.

    Attributes:
        architecture: the class in transformers that reads the same folder.
        activation: of the feed-forward.
        norm: `rms_plus_one` scales by one plus the parameter; `layer` subtracts the mean and has a bias.
        norm_placement: norms before attention and feed-forward, after them, or around them.
        qk_norm: norms of queries and keys: of each head, or of all heads at once.
        has_qkv_bias: queries, keys and values have a bias even without `attention_bias`.
        is_gated: the feed-forward multiplies the activated product with a second one.
        is_embedding_scaled: token vectors are multiplied by the root of the width.
        positions: rotated into queries and keys, or a learned vector added to the token's.
        has_layer_types: `layer_types` says which layers attend within a sliding window.
        activation_key: where `config.json` names the activation.
        activation_names: what it may say there; the first is written.
        defaults: values that the family's `config.json` may leave out.
    """

    architecture: str
    activation: Literal["silu", "gelu_tanh"] = "silu"
    norm: Literal["rms", "rms_plus_one", "layer"] = "rms"
    norm_placement: Literal["before", "around", "after"] = "before"
    qk_norm: Literal["none", "head", "width"] = "none"
    has_qkv_bias: bool = False
    is_gated: bool = True
    is_embedding_scaled: bool = False
    positions: Literal["rotary", "learned"] = "rotary"
    has_layer_types: bool = False
    activation_key: str = "hidden_act"
    activation_names: tuple[str, ...] = ("silu",)
    defaults: Mapping[str, Any] = field(default_factory=dict)


_GEMMA: dict[str, Any] = {
    "activation": "gelu_tanh",
    "norm": "rms_plus_one",
    "is_embedding_scaled": True,
    "activation_names": ("gelu_pytorch_tanh",),
}
_GEMMA_DEFAULTS = {"head_dim": 256, "tie_word_embeddings": True, "attention_bias": False}

FAMILIES: dict[str, Family] = {
    "llama": Family(
        architecture="LlamaForCausalLM",
        defaults={"num_key_value_heads": None, "attention_bias": False, "mlp_bias": False},
    ),
    "mistral": Family(architecture="MistralForCausalLM", defaults={"sliding_window": 4096}),
    "qwen2": Family(
        architecture="Qwen2ForCausalLM",
        has_layer_types=True,
        has_qkv_bias=True,
        defaults={"use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28},
    ),
    "qwen3": Family(
        architecture="Qwen3ForCausalLM",
        has_layer_types=True,
        qk_norm="head",
        defaults={
            "head_dim": 128,
            "attention_bias": False,
            "use_sliding_window": False,
            "sliding_window": 4096,
            "max_window_layers": 28,
        },
    ),
    "gemma": Family(
        architecture="GemmaForCausalLM",
        # Released with "gelu", which transformers reads as the approximation by a hyperbolic tangent.
        **_GEMMA | {"activation_names": ("gelu_pytorch_tanh", "gelu")},
        defaults=_GEMMA_DEFAULTS,
    ),
    "gemma2": Family(
        architecture="Gemma2ForCausalLM",
        has_layer_types=True,
        norm_placement="around",
        activation_key="hidden_activation",
        **_GEMMA,
        defaults=_GEMMA_DEFAULTS
        | {
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": 256,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "sliding_window": 4096,
        },
    ),
    "gemma3_text": Family(
        architecture="Gemma3ForCausalLM",
        has_layer_types=True,
        norm_placement="around",
        qk_norm="head",
        activation_key="hidden_activation",
        **_GEMMA,
        defaults=_GEMMA_DEFAULTS
        | {
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": 256,
            "final_logit_softcapping": None,
            "sliding_window": 4096,
            "sliding_window_pattern": 6,
            "rope_theta": 1_000_000.0,
            "rope_local_base_freq": 10_000.0,
        },
    ),
    "smollm3": Family(
        architecture="SmolLM3ForCausalLM",
        has_layer_types=True,
        defaults={
            "tie_word_embeddings": True,
            "attention_bias": False,
            "mlp_bias": False,
            "rope_theta": 2_000_000.0,
            "use_sliding_window": False,
            "sliding_window": None,
            "no_rope_layers": None,
            "no_rope_layer_interval": 4,
        },
    ),
    "olmo2": Family(
        architecture="Olmo2ForCausalLM",
        norm_placement="after",
        qk_norm="width",
        defaults={"num_key_value_heads": None, "attention_bias": False},
    ),
    "gpt2": Family(
        architecture="GPT2LMHeadModel",
        activation="gelu_tanh",
        norm="layer",
        is_gated=False,
        positions="learned",
        activation_key="activation_function",
        activation_names=("gelu_new", "gelu_pytorch_tanh"),
        defaults={
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5,
            "n_inner": None,
            "tie_word_embeddings": True,
        },
    ),
}


def family_of(model_type: object) -> Family:
    """Return the family of a `model_type`.

    Raises:
        ContractError: the decoder does not compute that family.
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise ContractError(f"model_type {model_type!r} is not supported, {', '.join(FAMILIES)} are")
    return FAMILIES[model_type]
