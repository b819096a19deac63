"""A decoder's shape to and from Hugging Face's `config.json`, as transformers 4 and 5 write and read it.

Nothing is passed over in silence: a key that changes what the model computes is honoured or refused.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.families import Family, family_of
from tunix_ml.modeling.rope_json import read_ropes, rope_values

CONFIG_FILE = "config.json"
_FULL, _SLIDING = "full_attention", "sliding_attention"
_GPT2_INNER_FACTOR = 4

# Keys of any family, and what they must be for the decoder to compute the same thing; null is as absent.
_REQUIRED: dict[str, object] = {
    "quantization_config": None,
    "is_encoder_decoder": False,
    "partial_rotary_factor": 1.0,
    "use_bidirectional_attention": False,
    "add_cross_attention": False,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
}
# Keys that some families honour; in the others anything but null is refused.
_OPTIONAL = ("query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping")


class Reader:
    """The values of a `config.json`, with those that its family may leave out."""

    def __init__(self, values: Mapping[str, Any], family: Family) -> None:
        self.values = values
        self.family = family

    def __getitem__(self, name: str) -> Any:
        """Return a value.

        Raises:
            ContractError: it is missing.
        """
        if name in self.values:
            return self.values[name]
        if name in self.family.defaults:
            return self.family.defaults[name]
        raise ContractError(f"config.json has no {name!r}")

    def size(self, name: str, *, at_least: int = 1) -> int:
        """Return a value that counts something.

        Raises:
            ContractError: it is missing, no whole number, or too small.
        """
        value = self[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise ContractError(f"{name} {value!r} is not a whole number from {at_least} on")
        return value

    def flag(self, name: str) -> bool:
        """Return a value that is true or false; false where the family does not know it.

        Raises:
            ContractError: it is neither.
        """
        value = self[name] if self.knows(name) else False
        if not isinstance(value, bool):
            raise ContractError(f"{name} {value!r} is neither true nor false")
        return value

    def knows(self, name: str) -> bool:
        """Say whether the key, which may be left out, has a meaning in the family."""
        return name in self.family.defaults


def from_huggingface(values: Mapping[str, Any]) -> ModelConfig:
    """Return the shape that a `config.json` describes.

    Raises:
        ContractError: a key is missing, or asks for something the decoder does not compute.
    """
    family = family_of(values.get("model_type"))
    read = Reader(values, family)
    _check_supported(read)
    return _read_learned(read) if family.positions == "learned" else _read_rotary(read)


def to_huggingface(config: ModelConfig, *, special_token_ids: Mapping[str, int | None]) -> dict[str, Any]:
    """Return the `config.json` of a model of its family, readable by transformers 4 and 5.

    Args:
        config: the shape.
        special_token_ids: `bos_token_id`, `eos_token_id` and `pad_token_id`.

    Raises:
        ContractError: the family's `config.json` has no way to say this.
    """
    family = config.family
    values = {
        "architectures": [family.architecture],
        "model_type": config.model_type,
        "vocab_size": config.vocab_size,
        family.activation_key: family.activation_names[0],
        "tie_word_embeddings": config.tie_word_embeddings,
        "dtype": "float32",
        "torch_dtype": "float32",
        **(_learned_values(config) if family.positions == "learned" else _rotary_values(config)),
        **special_token_ids,
    }
    again = from_huggingface(values)
    for field in dataclasses.fields(config):
        ours, theirs = getattr(config, field.name), getattr(again, field.name)
        if ours != theirs:
            raise ContractError(
                f"{field.name} {ours!r} cannot be written for model_type {config.model_type!r},"
                f" which makes it {theirs!r}"
            )
    return values


def _check_supported(read: Reader) -> None:
    values, family = read.values, read.family
    for name, expected in _REQUIRED.items():
        found = values.get(name)
        if found is not None and found != expected:
            raise ContractError(f"{name} {found!r} is not supported, {expected!r} is")
    for name in _OPTIONAL:
        if values.get(name) is not None and not read.knows(name):
            raise ContractError(
                f"{name} {values[name]!r} is not supported for {values['model_type']!r}, null is"
            )
    # The first gemma says "gelu" in `hidden_act` and means what `hidden_activation` may say beside it.
    names = family.activation_names
    for key, supported in ((family.activation_key, names), ("hidden_activation", names[:1])):
        activation = values.get(key)
        if activation is not None and activation not in supported:
            expected = " or ".join(map(repr, supported))
            raise ContractError(
                f"{key} {activation!r} is not supported for {values['model_type']!r}, {expected} is"
            )


def _read_rotary(read: Reader) -> ModelConfig:
    num_layers, num_heads = read.size("num_hidden_layers"), read.size("num_attention_heads")
    num_kv_heads = read["num_key_value_heads"]
    no_rope_layers = _read_no_rope_layers(read, num_layers)
    window, sliding_layers = _read_windows(read, num_layers, no_rope_layers)
    optional = {name: read[name] for name in _OPTIONAL if read.knows(name)}
    return ModelConfig(
        model_type=read["model_type"],
        vocab_size=read.size("vocab_size"),
        hidden_size=read.size("hidden_size"),
        intermediate_size=read.size("intermediate_size"),
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads if num_kv_heads is None else num_kv_heads,
        head_dim=_read_head_dim(read, read.size("hidden_size"), num_heads),
        max_position_embeddings=read.size("max_position_embeddings"),
        norm_eps=read["rms_norm_eps"],
        tie_word_embeddings=_read_tie(read),
        attention_bias=read.flag("attention_bias"),
        mlp_bias=read.flag("mlp_bias"),
        sliding_window=window,
        sliding_layers=sliding_layers,
        no_rope_layers=no_rope_layers,
        **optional,
        **read_ropes(read.values, read.family),
    )


def _read_learned(read: Reader) -> ModelConfig:
    """Return the shape of a GPT-2, which has names of its own."""
    width, num_heads = read.size("n_embd"), read.size("n_head")
    return ModelConfig(
        model_type=read["model_type"],
        vocab_size=read.size("vocab_size"),
        hidden_size=width,
        intermediate_size=_GPT2_INNER_FACTOR * width if read["n_inner"] is None else read["n_inner"],
        num_hidden_layers=read.size("n_layer"),
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        head_dim=_read_head_dim(read, width, num_heads),
        max_position_embeddings=read.size("n_positions"),
        norm_eps=read["layer_norm_epsilon"],
        tie_word_embeddings=_read_tie(read),
        attention_bias=True,
        mlp_bias=True,
    )


def _read_head_dim(read: Reader, width: int, num_heads: int) -> int:
    given = read.values.get("head_dim", read.family.defaults.get("head_dim"))
    if given is not None:
        head_dim: int = given
        return head_dim
    if width % num_heads:
        raise ContractError(f"{num_heads} attention heads do not divide the width {width}")
    return width // num_heads


def _read_tie(read: Reader) -> bool:
    tie = read.values.get("tie_word_embeddings", read.family.defaults.get("tie_word_embeddings", False))
    if not isinstance(tie, bool):
        raise ContractError(f"tie_word_embeddings {tie!r} is neither true nor false")
    return tie


def _read_no_rope_layers(read: Reader, num_layers: int) -> tuple[int, ...]:
    """Return the layers without rotary positions; in `no_rope_layers` those are zeros."""
    if not read.knows("no_rope_layers"):
        return ()
    rotated = read["no_rope_layers"]
    if rotated is None:
        interval = read.size("no_rope_layer_interval")
        return tuple(index for index in range(num_layers) if (index + 1) % interval == 0)
    if not isinstance(rotated, list) or len(rotated) != num_layers or not {0, 1}.issuperset(rotated):
        raise ContractError(f"no_rope_layers {rotated!r} is not a list of {num_layers} ones and zeros")
    return tuple(index for index, is_rotated in enumerate(rotated) if not is_rotated)


def _read_windows(
    read: Reader, num_layers: int, no_rope_layers: tuple[int, ...]
) -> tuple[int | None, tuple[int, ...]]:
    """Return the sliding window and the layers that attend within it."""
    window = read["sliding_window"] if read.knows("sliding_window") else None
    if read.knows("use_sliding_window") and not read.flag("use_sliding_window"):
        window = None
    layers = tuple(
        index
        for index in range(num_layers)
        if window is not None and _is_sliding(read, index, no_rope_layers)
    )
    named = read.values.get("layer_types")
    if named is not None:
        layers = _read_layer_types(read, named, num_layers, usual=layers)
    return (window if layers else None), layers


def _is_sliding(read: Reader, index: int, no_rope_layers: tuple[int, ...]) -> bool:
    """Say whether a layer has a window where no `layer_types` are given."""
    match read["model_type"]:
        case "qwen2" | "qwen3":
            return index >= read.size("max_window_layers", at_least=0)
        case "gemma2":
            return index % 2 == 0
        case "gemma3_text":
            return (index + 1) % read.size("sliding_window_pattern") != 0
        case "smollm3":
            return index in no_rope_layers
        case _:
            return True


def _read_layer_types(
    read: Reader, named: object, num_layers: int, *, usual: tuple[int, ...]
) -> tuple[int, ...]:
    if not isinstance(named, list) or len(named) != num_layers or not {_FULL, _SLIDING}.issuperset(named):
        raise ContractError(
            f"layer_types {named!r} is not a list of {num_layers} of {_FULL!r} and {_SLIDING!r}"
        )
    layers = tuple(index for index, name in enumerate(named) if name == _SLIDING)
    if not read.family.has_layer_types and layers != usual:
        raise ContractError(
            f"layer_types {named!r} is not supported for {read['model_type']!r}:"
            f" it slides in layers {list(usual)}"
        )
    return layers


def _rotary_values(config: ModelConfig) -> dict[str, Any]:
    family = config.family
    known = {name: getattr(config, name) for name in ("attention_bias", "mlp_bias", *_OPTIONAL)}
    values = {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.norm_eps,
        **{name: value for name, value in known.items() if name in family.defaults},
        **rope_values(config),
        **_window_values(config),
    }
    if "no_rope_layers" in family.defaults:
        layers = range(config.num_hidden_layers)
        values["no_rope_layers"] = [int(index not in config.no_rope_layers) for index in layers]
    if family.activation == "gelu_tanh":
        values["hidden_activation"] = family.activation_names[0]
    return values


def _window_values(config: ModelConfig) -> dict[str, Any]:
    family, layers = config.family, range(config.num_hidden_layers)
    values: dict[str, Any] = {}
    if "sliding_window" in family.defaults:
        values["sliding_window"] = config.sliding_window
    if "use_sliding_window" in family.defaults:
        values["use_sliding_window"] = bool(config.sliding_layers)
    if "max_window_layers" in family.defaults:
        values["max_window_layers"] = min(config.sliding_layers, default=len(layers))
    if family.has_layer_types:
        values["layer_types"] = [_SLIDING if index in config.sliding_layers else _FULL for index in layers]
    return values


def _learned_values(config: ModelConfig) -> dict[str, Any]:
    return {
        "n_embd": config.hidden_size,
        "n_layer": config.num_hidden_layers,
        "n_head": config.num_attention_heads,
        "n_inner": config.intermediate_size,
        "n_positions": config.max_position_embeddings,
        "layer_norm_epsilon": config.norm_eps,
    }
