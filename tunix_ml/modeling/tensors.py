"""Which tensor of a Hugging Face file holds a parameter, and how it lies there."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tunix_ml.modeling.families import Family

HEAD = "lm_head.weight"
EMBEDDING = "model.embed_tokens.weight"

# GPT-2 has names of its own; its kernels stand input first, and one holds queries, keys and values.
_GPT2_MODULES = {
    "model.embed_tokens": "transformer.wte",
    "model.embed_positions": "transformer.wpe",
    "model.norm": "transformer.ln_f",
    "input_layernorm": "ln_1",
    "post_attention_layernorm": "ln_2",
    "self_attn.o_proj": "attn.c_proj",
    "mlp.up_proj": "mlp.c_fc",
    "mlp.down_proj": "mlp.c_proj",
}
_GPT2_FUSED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_OF_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")

# Constants that older files hold beside the parameters.
_BUFFER = re.compile(r"(.+\.)?rotary_emb\.inv_freq|(transformer\.)?h\.\d+\.attn\.(masked_)?bias")


class Place(NamedTuple):
    """Where a parameter lies.

    Attributes:
        tensor: name in the file.
        is_transposed: the tensor stands output first, the parameter input first.
        part: which of the equal parts along the last axis it is.
        num_parts: of the tensor.
    """

    tensor: str
    is_transposed: bool = False
    part: int = 0
    num_parts: int = 1

    def take(self, tensor: np.ndarray) -> np.ndarray:
        """Return the parameter that lies in a tensor."""
        size, rest = divmod(tensor.shape[-1], self.num_parts)
        if rest:
            return tensor
        part = tensor[..., self.part * size : (self.part + 1) * size]
        return part.T if self.is_transposed else part


def place_of(name: str, family: Family) -> Place:
    """Return the place of a parameter by its flat name, `model.layers.0.mlp.up_proj.kernel`."""
    module, _, kind = name.rpartition(".")
    suffix = "bias" if kind == "bias" else "weight"
    if family.positions == "rotary" or module == "lm_head":
        return Place(f"{module}.{suffix}", is_transposed=kind == "kernel")
    match = _OF_LAYER.fullmatch(module)
    if match is None:
        return Place(f"{_GPT2_MODULES[module]}.{suffix}")
    layer, inner = f"transformer.h.{match[1]}", match[2]
    if inner in _GPT2_FUSED:
        return Place(
            f"{layer}.attn.c_attn.{suffix}", part=_GPT2_FUSED.index(inner), num_parts=len(_GPT2_FUSED)
        )
    return Place(f"{layer}.{_GPT2_MODULES[inner]}.{suffix}")


def places(names: Iterable[str], family: Family) -> dict[str, list[str]]:
    """Return the parameters that lie in each tensor, in the order of its parts."""
    grouped: dict[str, list[str]] = {}
    for name in names:
        grouped.setdefault(place_of(name, family).tensor, []).append(name)
    for parts in grouped.values():
        parts.sort(key=lambda name: place_of(name, family).part)
    return grouped


def assemble(parts: Sequence[np.ndarray], place: Place) -> np.ndarray:
    """Return the float32 tensor that holds some parameters, the opposite of `Place.take`."""
    whole = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    return np.ascontiguousarray(whole.T if place.is_transposed else whole, dtype=np.float32)


def is_buffer(tensor: str) -> bool:
    """Say whether a tensor is a constant that follows from the configuration."""
    return _BUFFER.fullmatch(tensor) is not None


def full_names(tensors: Iterable[str], expected: Container[str], family: Family) -> dict[str, str]:
    """Return each tensor's name in a causal language model; one saved without its head has no prefix."""
    prefix = "transformer." if family.positions == "learned" else "model."
    names = list(tensors)
    if any(name.startswith(prefix) for name in names):
        return {name: name for name in names}
    return {name: prefix + name if prefix + name in expected else name for name in names}


def tensor_bytes(names: Iterable[str], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return the size in float32 of the tensor that holds some parameters."""
    return 4 * sum(int(np.prod(shapes[name])) for name in names)
