"""The shape of a decoder, under Hugging Face's names."""

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.families import Family, family_of

_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
_NUMBERS = (
    "norm_eps",
    "rope_theta",
    "query_pre_attn_scalar",
    "attn_logit_softcapping",
    "final_logit_softcapping",
)


@dataclass(frozen=True, kw_only=True)
class LinearScaling:
    """All rotary frequencies divided by a factor. Source: https://arxiv.org/abs/2306.15595."""

    factor: float


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """Low rotary frequencies divided by a factor, high ones kept, those between interpolated.

    Source: https://arxiv.org/abs/2407.21783.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    def __post_init__(self) -> None:
        if self.low_freq_factor >= self.high_freq_factor:
            raise ContractError(
                f"low_freq_factor {self.low_freq_factor} is not below"
                f" high_freq_factor {self.high_freq_factor}"
            )


RopeScaling = LinearScaling | Llama3Scaling


@dataclass(frozen=True)
class Rope:
    """What the rotary positions of a layer follow from."""

    theta: float
    scaling: RopeScaling | None = None


class LayerKind(NamedTuple):
    """What may differ from layer to layer; parameters have the same shapes in all.

    Attributes:
        window: a token sees itself and so many less one before it; None: all before it.
        rope: None where positions are not rotated.
    """

    window: int | None
    rope: Rope | None


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a decoder.

    Attributes:
        model_type: the family, by Hugging Face's name.
        norm_eps: added to the variance in every norm.
        rope_theta: base of the rotary positions.
        rope_scaling: how they are stretched beyond the trained length.
        local_rope_theta: base in the layers of `sliding_layers`, unscaled; None: as everywhere.
        attention_bias: whether all four products of the attention have a bias.
        mlp_bias: whether those of the feed-forward have.
        query_pre_attn_scalar: scores are divided by its root; None: by that of `head_dim`.
        attn_logit_softcapping: bound of the attention's scores.
        final_logit_softcapping: bound of the logits.
        sliding_window: tokens that a token sees, itself among them, in the layers of `sliding_layers`.
        sliding_layers: indices of those layers.
        no_rope_layers: indices of the layers that know no positions.

    Raises:
        ContractError: the values contradict each other.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    model_type: str = "llama"
    norm_eps: float = 1e-5
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    local_rope_theta: float | None = None
    attention_bias: bool = False
    mlp_bias: bool = False
    query_pre_attn_scalar: float | None = None
    attn_logit_softcapping: float | None = None
    final_logit_softcapping: float | None = None
    sliding_window: int | None = None
    sliding_layers: tuple[int, ...] = ()
    no_rope_layers: tuple[int, ...] = ()
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        family = self.family
        for name in _SIZES:
            size = getattr(self, name)
            if not isinstance(size, int) or size < 1:
                raise ContractError(f"{name} {size!r} is not a whole number from 1 on")
        for name in _NUMBERS:
            number = getattr(self, name)
            if number is not None and (not isinstance(number, int | float) or not number > 0):
                raise ContractError(f"{name} {number!r} is not a number above 0")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ContractError(
                f"num_key_value_heads {self.num_key_value_heads} does not divide"
                f" num_attention_heads {self.num_attention_heads}"
            )
        if self.head_dim % 2 and family.positions == "rotary":
            raise ContractError(f"head_dim {self.head_dim} is odd: rotary positions need pairs")
        if self.sliding_layers and (not isinstance(self.sliding_window, int) or self.sliding_window < 1):
            raise ContractError(
                f"sliding_window {self.sliding_window!r} is not a whole number from 1 on,"
                f" and layers {list(self.sliding_layers)} attend within it"
            )

    @property
    def family(self) -> Family:
        """What all models of this type have in common."""
        return family_of(self.model_type)

    @property
    def attention_scale(self) -> float:
        """Factor of the attention's scores."""
        return 1 / math.sqrt(self.query_pre_attn_scalar or self.head_dim)

    @functools.cached_property
    def layer_kinds(self) -> tuple[LayerKind, ...]:
        """Kind of each layer, the first one first."""
        return tuple(self._kind(index) for index in range(self.num_hidden_layers))

    @property
    def period(self) -> int:
        """After how many layers their kinds repeat; the number of layers if they never do."""
        kinds = self.layer_kinds
        periods = range(1, len(kinds) + 1)
        return next(period for period in periods if kinds[period:] == kinds[: len(kinds) - period])

    def _kind(self, index: int) -> LayerKind:
        is_local = index in self.sliding_layers
        rope: Rope | None = Rope(self.rope_theta, self.rope_scaling)
        if is_local and self.local_rope_theta is not None:
            rope = Rope(self.local_rope_theta)
        if self.family.positions == "learned" or index in self.no_rope_layers:
            rope = None
        return LayerKind(self.sliding_window if is_local else None, rope)
