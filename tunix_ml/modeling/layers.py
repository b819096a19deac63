"""One layer of the decoder: attention, feed-forward, and what they are made of.

Activations are kept as (batch * length, width) between the attentions: XLA's two-dimensional products
reach twice the speed of its three-dimensional ones on a CPU.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from tunix_ml.contracts.training import Precision
from tunix_ml.modeling.attention import attend, attend_causally
from tunix_ml.modeling.config import LayerKind, ModelConfig, Rope
from tunix_ml.modeling.lora import LoraConfig
from tunix_ml.modeling.norms import Norm, make_norm
from tunix_ml.modeling.products import products
from tunix_ml.modeling.rotary import Angles, rotate

# Hugging Face's names of the norms before and after the attention, before and after the feed-forward.
_NORM_NAMES: dict[str, tuple[str | None, str | None, str | None, str | None]] = {
    "before": ("input_layernorm", None, "post_attention_layernorm", None),
    "after": (None, "post_attention_layernorm", None, "post_feedforward_layernorm"),
    "around": (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ),
}


@dataclass(frozen=True)
class Setup:
    """What fixes a network's computation, its parameters apart.

    Attributes:
        config: the shape.
        precision: of the products' operands.
        lora: which products have an adapter beside them.
        remat: whether the gradient computes each layer's activations again instead of keeping them.
        activations: type of the states between the products; norms, softmax and logits are float32.
    """

    config: ModelConfig
    precision: Precision = "float32"
    lora: LoraConfig | None = None
    remat: bool = False
    activations: Literal["float32", "bfloat16"] = "float32"


class Dropout(NamedTuple):
    """The share of an update's elements that are set to zero, and the key that says which."""

    key: jax.Array
    rate: float


class LayerCache(NamedTuple):
    """Keys and values of one layer, each of shape (batch, kv_heads, slots, head_dim)."""

    keys: jax.Array
    values: jax.Array


class Attending(NamedTuple):
    """What every layer needs to know about the tokens of a call.

    Attributes:
        angles: of the positions, for each way of rotating them.
        mask: True where a query may see a key, shape (batch, 1, length, keys).
        slot: cache slot of the first token of the input, a scalar or of shape (batch,).
        dropout: of the updates of the residual stream.
    """

    angles: Mapping[Rope, Angles]
    mask: jax.Array
    slot: jax.Array | int
    dropout: Dropout | None


class Linear(nnx.Module):  # type: ignore[misc]
    """A product, with a bias and an adapter if it has them; the kernel has shape (in, out)."""

    def __init__(
        self,
        setup: Setup,
        name: str,
        shape: tuple[int, int],
        *,
        stddev: float,
        has_bias: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        num_in, num_out = shape
        self.precision = setup.precision
        self.kernel = nnx.Param(stddev * jax.random.normal(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(num_out)) if has_bias else None
        lora = setup.lora if setup.lora and setup.lora.covers(name) else None
        self.lora_scale = lora.scale if lora else None
        if lora:
            drawn = jax.random.normal(rngs.lora(), (num_in, lora.rank))
            self.lora_a = nnx.Param(drawn / math.sqrt(num_in))
            self.lora_b = nnx.Param(jnp.zeros((lora.rank, num_out)))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the product of (rows, in), shape (rows, out)."""
        return project(x, self)[0]

    def add_to(self, product: jax.Array, x: jax.Array) -> jax.Array:
        """Return the product with what comes on top of it."""
        if self.lora_scale is not None:
            (low,) = products(x, [self.lora_a[...]], precision=self.precision)
            (update,) = products(low, [self.lora_b[...]], precision=self.precision)
            product = product + self.lora_scale * update
        if self.bias is not None:
            product = product + self.bias[...].astype(product.dtype)
        return product


def project(x: jax.Array, *linears: Linear) -> list[jax.Array]:
    """Return what several modules make of (rows, in), in one product."""
    plain = products(x, [linear.kernel[...] for linear in linears], precision=linears[0].precision)
    return [linear.add_to(product, x) for linear, product in zip(linears, plain, strict=True)]


class Attention(nnx.Module):  # type: ignore[misc]
    """Grouped-query attention."""

    def __init__(self, setup: Setup, *, rngs: nnx.Rngs) -> None:
        config = self.config = setup.config
        self.precision = setup.precision
        hidden, head_dim = config.hidden_size, config.head_dim
        width, kv_width = config.num_attention_heads * head_dim, config.num_key_value_heads * head_dim
        has_bias = config.attention_bias or config.family.has_qkv_bias
        stddev = 1 / math.sqrt(hidden)
        self.q_proj = Linear(setup, "q_proj", (hidden, width), stddev=stddev, has_bias=has_bias, rngs=rngs)
        self.k_proj = Linear(setup, "k_proj", (hidden, kv_width), stddev=stddev, has_bias=has_bias, rngs=rngs)
        self.v_proj = Linear(setup, "v_proj", (hidden, kv_width), stddev=stddev, has_bias=has_bias, rngs=rngs)
        stddev = 1 / math.sqrt(2 * config.num_hidden_layers * width)
        self.o_proj = Linear(
            setup, "o_proj", (width, hidden), stddev=stddev, has_bias=config.attention_bias, rngs=rngs
        )
        if config.family.qk_norm != "none":
            is_of_heads = config.family.qk_norm == "head"
            self.q_norm = make_norm(config, head_dim if is_of_heads else width)
            self.k_norm = make_norm(config, head_dim if is_of_heads else kv_width)

    def __call__(
        self, x: jax.Array, attending: Attending, kind: LayerKind, cache: LayerCache | None
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the mixed states, shape (batch * length, hidden_size), and the cache with this input."""
        config = self.config
        q, k, v = self._heads(x, attending, kind)
        if cache is None:
            mixed = attend_causally(
                q,
                k,
                v,
                attending.mask,
                scale=config.attention_scale,
                softcap=config.attn_logit_softcapping,
                window=kind.window,
                precision=self.precision,
            )
        else:
            cache = LayerCache(_write(cache.keys, k, attending.slot), _write(cache.values, v, attending.slot))
            mixed = attend(
                q,
                cache.keys,
                cache.values,
                _within_window(attending.mask, attending.slot, kind.window),
                scale=config.attention_scale,
                softcap=config.attn_logit_softcapping,
                precision=self.precision,
            )
        return self.o_proj(mixed.transpose(0, 2, 1, 3).reshape(x.shape[0], -1)), cache

    def _heads(self, x: jax.Array, attending: Attending, kind: LayerKind) -> tuple[jax.Array, ...]:
        """Return queries, keys and values, each of shape (batch, heads, length, head_dim)."""
        batch, qk_norm = attending.mask.shape[0], self.config.family.qk_norm
        q, k, v = project(x, self.q_proj, self.k_proj, self.v_proj)
        if qk_norm == "width":
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (y.reshape(batch, x.shape[0] // batch, -1, self.config.head_dim) for y in (q, k, v))
        if qk_norm == "head":
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (y.transpose(0, 2, 1, 3) for y in (q, k, v))
        if kind.rope is not None:
            angles = attending.angles[kind.rope]
            q, k = rotate(q, angles), rotate(k, angles)
        return q, k, v


class FeedForward(nnx.Module):  # type: ignore[misc]
    """Two products with the activation between them, or three if gated.

    Source: https://arxiv.org/abs/2002.05202.
    """

    def __init__(self, setup: Setup, *, rngs: nnx.Rngs) -> None:
        config = self.config = setup.config
        width, inner, has_bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        stddev = 1 / math.sqrt(width)
        if config.family.is_gated:
            self.gate_proj = Linear(
                setup, "gate_proj", (width, inner), stddev=stddev, has_bias=has_bias, rngs=rngs
            )
        self.up_proj = Linear(setup, "up_proj", (width, inner), stddev=stddev, has_bias=has_bias, rngs=rngs)
        stddev = 1 / math.sqrt(2 * config.num_hidden_layers * inner)
        self.down_proj = Linear(
            setup, "down_proj", (inner, width), stddev=stddev, has_bias=has_bias, rngs=rngs
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return new states, shape (batch * length, hidden_size)."""
        if not self.config.family.is_gated:
            return self.down_proj(self._activate(self.up_proj(x)))
        gate, up = project(x, self.gate_proj, self.up_proj)
        return self.down_proj(self._activate(gate) * up)

    def _activate(self, x: jax.Array) -> jax.Array:
        match self.config.family.activation:
            case "silu":
                return jax.nn.silu(x)
            case "gelu_tanh":
                return jax.nn.gelu(x, approximate=True)


class Layer(nnx.Module):  # type: ignore[misc]
    """Attention and feed-forward, each between its norms and added to the residual stream."""

    def __init__(self, setup: Setup, *, rngs: nnx.Rngs) -> None:
        self.norm_names = _NORM_NAMES[setup.config.family.norm_placement]
        for name in filter(None, self.norm_names):
            setattr(self, name, make_norm(setup.config, setup.config.hidden_size))
        self.self_attn = Attention(setup, rngs=rngs)
        self.mlp = FeedForward(setup, rngs=rngs)

    def __call__(
        self,
        x: jax.Array,
        attending: Attending,
        kind: LayerKind,
        *,
        index: jax.Array | int,
        cache: LayerCache | None = None,
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the states after the layer, shape (batch * length, hidden_size), and its cache.

        Args:
            x: the states before it.
            attending: about the tokens.
            kind: of this layer.
            index: of this layer.
            cache: keys and values of the tokens before.
        """
        before, after, before_mlp, after_mlp = self.norm_names
        x = _share_rows(x)
        update, cache = self.self_attn(self._norm(before, x), attending, kind, cache)
        x = x + _drop(self._norm(after, update), attending.dropout, 2 * index)
        update = self.mlp(self._norm(before_mlp, x))
        x = x + _drop(self._norm(after_mlp, update), attending.dropout, 2 * index + 1)
        return _share_rows(x), cache

    def _norm(self, name: str | None, x: jax.Array) -> jax.Array:
        norm: Norm | None = getattr(self, name) if name else None
        return norm(x) if norm else x


def _share_rows(x: jax.Array) -> jax.Array:
    """Keep the rows shared among devices, where there are several.

    Left to itself XLA gathers the states of all rows rather than the kernels: on four devices five times as
    much went between them.
    """
    if jax.sharding.get_abstract_mesh().shape.get("fsdp", 1) == 1:
        return x
    rows = jax.sharding.PartitionSpec("fsdp")  # type: ignore[no-untyped-call]
    shared: jax.Array = jax.lax.with_sharding_constraint(x, rows)  # type: ignore[no-untyped-call]
    return shared


def _drop(update: jax.Array, dropout: Dropout | None, place: jax.Array | int) -> jax.Array:
    if dropout is None or not dropout.rate:
        return update
    is_kept = jax.random.bernoulli(jax.random.fold_in(dropout.key, place), 1 - dropout.rate, update.shape)
    return jnp.where(is_kept, update / (1 - dropout.rate), 0).astype(update.dtype)


def _write(slots: jax.Array, new: jax.Array, slot: jax.Array | int) -> jax.Array:
    """Return the slots with new ones written from `slot` on, which may be another in each row."""
    new = new.astype(slots.dtype)
    if jnp.ndim(slot) == 0:
        return jax.lax.dynamic_update_slice(slots, new, (0, 0, slot, 0))
    return jax.vmap(_write_row)(slots, new, jnp.asarray(slot))


def _write_row(slots: jax.Array, new: jax.Array, slot: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice(slots, new, (0, slot, 0))


def _within_window(mask: jax.Array, slot: jax.Array | int, window: int | None) -> jax.Array:
    """Return the mask over a cache's slots without those that lie too far back."""
    length, num_slots = mask.shape[2:]
    if window is None or window >= num_slots:
        return mask
    queries = jnp.reshape(jnp.asarray(slot), (-1, 1, 1, 1)) + jnp.arange(length)[:, None]
    return mask & (queries - jnp.arange(num_slots) < window)
