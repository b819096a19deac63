"""The decoder-only transformer: Llama's computation as a Flax NNX module over a flat dict of parameters.

Training and decoding call it through `Network`, so that what crosses a `jax.jit` border is a plain dict
of arrays under Hugging Face's tensor names. Activations are kept as (batch * length, width) between the
attentions: XLA's two-dimensional products reach twice the speed of its three-dimensional ones on a CPU.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from tunix_ml.modeling.config import ModelConfig

Params = dict[str, jax.Array]

_MASKED = -1e30
_QUERY_BLOCK = 64
_MAX_QUERY_BLOCKS = 8
_EMBEDDING_STDDEV = 0.02


class LayerCache(NamedTuple):
    """Keys and values of one layer, each of shape (batch, kv_heads, slots, head_dim)."""

    keys: jax.Array
    values: jax.Array


Cache = tuple[LayerCache, ...]


class Output(NamedTuple):
    """Hidden states of shape (batch, length, hidden_size), and the cache with this input written in."""

    hidden: jax.Array
    cache: Cache | None


class Attending(NamedTuple):
    """What every layer needs to know about the tokens of a call.

    Attributes:
        cosines: of the rotary angles, shape (batch, 1, length, head_dim / 2).
        sines: of the same.
        mask: True where a query may see a key, shape (batch, 1, length, keys).
        slot: index of the first cache slot to write.
    """

    cosines: jax.Array
    sines: jax.Array
    mask: jax.Array
    slot: jax.Array | int


class Linear(nnx.Module):  # type: ignore[misc]
    """A product without bias; the kernel has shape (in, out)."""

    def __init__(self, num_in: int, num_out: int, *, stddev: float, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(stddev * jax.random.normal(rngs.params(), (num_in, num_out)))


class RMSNorm(nnx.Module):  # type: ignore[misc]
    """Scale by the root mean square over the last axis. Source: https://arxiv.org/abs/1910.07467."""

    def __init__(self, size: int, *, eps: float) -> None:
        self.scale = nnx.Param(jnp.ones(size))
        self.eps = eps

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scaled states, shape unchanged."""
        variance = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
        scale: jax.Array = self.scale[...]
        return x * jax.lax.rsqrt(variance + self.eps) * scale


class Attention(nnx.Module):  # type: ignore[misc]
    """Grouped-query attention with rotary positions."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width = config.num_attention_heads * config.head_dim
        kv_width = config.num_key_value_heads * config.head_dim
        stddev = 1 / math.sqrt(config.hidden_size)
        self.q_proj = Linear(config.hidden_size, width, stddev=stddev, rngs=rngs)
        self.k_proj = Linear(config.hidden_size, kv_width, stddev=stddev, rngs=rngs)
        self.v_proj = Linear(config.hidden_size, kv_width, stddev=stddev, rngs=rngs)
        stddev = 1 / math.sqrt(2 * config.num_hidden_layers * width)
        self.o_proj = Linear(width, config.hidden_size, stddev=stddev, rngs=rngs)

    def __call__(
        self, x: jax.Array, attending: Attending, cache: LayerCache | None
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the mixed states, shape (batch * length, hidden_size), and the cache with this input."""
        config = self.config
        batch, _, length, _ = attending.cosines.shape
        projections = (self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (
            _split_heads(y, batch, length, config.head_dim)
            for y in _products(x, *(projection.kernel[...] for projection in projections))
        )
        q, k = _rotate(q, attending), _rotate(k, attending)
        if cache is None:
            mixed = _attend_causally(q, k, v, attending.mask)
        else:
            at = (0, 0, attending.slot, 0)
            cache = LayerCache(
                jax.lax.dynamic_update_slice(cache.keys, k, at),
                jax.lax.dynamic_update_slice(cache.values, v, at),
            )
            mixed = _attend(q, cache.keys, cache.values, attending.mask)
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch * length, -1)
        return product(mixed, self.o_proj.kernel[...]), cache


class FeedForward(nnx.Module):  # type: ignore[misc]
    """SwiGLU. Source: https://arxiv.org/abs/2002.05202."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        width, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = Linear(width, inner, stddev=1 / math.sqrt(width), rngs=rngs)
        self.up_proj = Linear(width, inner, stddev=1 / math.sqrt(width), rngs=rngs)
        stddev = 1 / math.sqrt(2 * config.num_hidden_layers * inner)
        self.down_proj = Linear(inner, width, stddev=stddev, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return new states, shape (batch * length, hidden_size)."""
        gate, up = _products(x, self.gate_proj.kernel[...], self.up_proj.kernel[...])
        return product(jax.nn.silu(gate) * up, self.down_proj.kernel[...])


class Layer(nnx.Module):  # type: ignore[misc]
    """Attention and feed-forward, each behind a norm and added to the residual stream."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = Attention(config, rngs=rngs)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = FeedForward(config, rngs=rngs)

    def __call__(
        self, x: jax.Array, attending: Attending, cache: LayerCache | None
    ) -> tuple[jax.Array, LayerCache | None]:
        """Return the states after this layer, shape (batch * length, hidden_size), and its cache."""
        mixed, cache = self.self_attn(self.input_layernorm(x), attending, cache)
        x = x + mixed
        return x + self.mlp(self.post_attention_layernorm(x)), cache


class Embedding(nnx.Module):  # type: ignore[misc]
    """The table of token vectors, shape (vocab_size, hidden_size)."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        shape = (config.vocab_size, config.hidden_size)
        self.embedding = nnx.Param(_EMBEDDING_STDDEV * jax.random.normal(rngs.params(), shape))


class Stack(nnx.Module):  # type: ignore[misc]
    """Embedding, layers and last norm: what Hugging Face keeps under `model.`."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.embed_tokens = Embedding(config, rngs=rngs)
        self.layers = nnx.List([Layer(config, rngs=rngs) for _ in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class Decoder(nnx.Module):  # type: ignore[misc]
    """A causal language model; attributes bear the names of Hugging Face's Llama tensors."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.model = Stack(config, rngs=rngs)
        if not config.tie_word_embeddings:
            stddev = 1 / math.sqrt(config.hidden_size)
            self.lm_head = Linear(config.hidden_size, config.vocab_size, stddev=stddev, rngs=rngs)

    def hidden(
        self,
        input_ids: jax.Array,
        *,
        positions: jax.Array,
        mask: jax.Array,
        cache: Cache | None = None,
        slot: jax.Array | int = 0,
    ) -> Output:
        """Return the states after the last norm.

        Args:
            input_ids: shape (batch, length).
            positions: position of each token within its example, shape (batch, length).
            mask: True where a query may see a key, shape (batch, length, keys); with a cache, the keys
                are its slots.
            cache: keys and values of the tokens before.
            slot: cache slot of the first token of the input, the same in every row.
        """
        config = self.config
        cosines, sines = _rotary_angles(positions, config)
        attending = Attending(cosines, sines, mask[:, None], slot)
        x = self.model.embed_tokens.embedding[...][input_ids.reshape(-1)]
        written = []
        for index, layer in enumerate(self.model.layers):
            x, layer_cache = layer(x, attending, cache[index] if cache else None)
            written.append(layer_cache)
        hidden = self.model.norm(x).reshape(*input_ids.shape, config.hidden_size)
        return Output(hidden, tuple(written) if cache else None)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """Return scores over the vocabulary for hidden states of shape (…, hidden_size)."""
        if self.config.tie_word_embeddings:
            kernel = self.model.embed_tokens.embedding[...].T
        else:
            kernel = self.lm_head.kernel[...]
        flat = product(hidden.reshape(-1, hidden.shape[-1]), kernel)
        return flat.reshape(*hidden.shape[:-1], -1)


@dataclass(frozen=True)
class Network:
    """A decoder's structure without its parameters: equal configurations give equal networks."""

    config: ModelConfig

    def init(self, key: jax.Array) -> Params:
        """Return fresh parameters under their flat names, `model.layers.0.mlp.up_proj.kernel`."""
        state = nnx.state(Decoder(self.config, rngs=nnx.Rngs(params=key)))
        return {_name(path): variable[...] for path, variable in nnx.to_flat_state(state)}

    def bind(self, params: Params) -> Decoder:
        """Return the decoder with these parameters."""
        structure, paths = _structure(self.config)
        flat = [(path, params[_name(path)]) for path in paths]
        decoder: Decoder = nnx.merge(structure, nnx.from_flat_state(flat))
        return decoder

    def abstract_params(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Return the shape and type of every parameter."""
        shapes: dict[str, jax.ShapeDtypeStruct] = jax.eval_shape(self.init, jax.random.key(0))
        return shapes

    def new_cache(self, *, batch_size: int, num_slots: int) -> Cache:
        """Return an empty cache."""
        config = self.config
        shape = (batch_size, config.num_key_value_heads, num_slots, config.head_dim)
        return tuple(LayerCache(jnp.zeros(shape), jnp.zeros(shape)) for _ in range(config.num_hidden_layers))


def segment_mask(segment_ids: jax.Array) -> jax.Array:
    """Return which keys a query may see: those before it, and itself, in its own segment.

    Args:
        segment_ids: example of each token, shape (batch, length).

    Returns:
        shape (batch, length, length).
    """
    length = segment_ids.shape[1]
    causal = jnp.tril(jnp.ones((length, length), dtype=bool))
    return causal & (segment_ids[:, :, None] == segment_ids[:, None, :])


def num_params(params: Params) -> int:
    """Return how many numbers the parameters hold."""
    return sum(math.prod(value.shape) for value in params.values())


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply (rows, in) by (in, out), with two-dimensional products for the gradients as well."""
    return x @ kernel


def _product_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return x @ kernel, (x, kernel)


def _product_backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    return gradient @ kernel.T, x.T @ gradient


product.defvjp(_product_forward, _product_backward)


def _products(x: jax.Array, *kernels: jax.Array) -> list[jax.Array]:
    """Multiply by several kernels in one product."""
    ends = [sum(kernel.shape[1] for kernel in kernels[: index + 1]) for index in range(len(kernels) - 1)]
    return jnp.split(product(x, jnp.concatenate(kernels, axis=1)), ends, axis=1)


def _split_heads(x: jax.Array, batch: int, length: int, head_dim: int) -> jax.Array:
    return x.reshape(batch, length, -1, head_dim).transpose(0, 2, 1, 3)


def _rotary_angles(positions: jax.Array, config: ModelConfig) -> tuple[jax.Array, jax.Array]:
    """Return cosines and sines for each position. Source: https://arxiv.org/abs/2104.09864."""
    exponents = jnp.arange(0, config.head_dim, 2) / config.head_dim
    angles = positions[:, None, :, None] * config.rope_theta**-exponents
    return jnp.cos(angles), jnp.sin(angles)


def _rotate(x: jax.Array, attending: Attending) -> jax.Array:
    """Turn each pair by its angle; as in Hugging Face, the pairs are the two halves of a head."""
    first, second = jnp.split(x, 2, axis=-1)
    cosines, sines = attending.cosines, attending.sines
    return jnp.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)


def _attend_causally(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array) -> jax.Array:
    """Attend where no query sees a later key: each block of queries meets only the keys up to its end.

    At 256 tokens four blocks leave out three eighths of the scores, which on a CPU cost more than the
    products: a layer's attention took 60 ms instead of 88.
    """
    length = q.shape[2]
    size = max(_QUERY_BLOCK, -(-length // _MAX_QUERY_BLOCKS))
    ends = [min(start + size, length) for start in range(0, length, size)]
    blocks = [
        _attend(q[:, :, start:end], k[:, :, :end], v[:, :, :end], mask[:, :, start:end, :end])
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    return jnp.concatenate(blocks, axis=2)


def _attend(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array) -> jax.Array:
    """Return softmax(q k' / sqrt(head_dim)) v; queries of one group stand below each other as rows."""
    batch, heads, length, head_dim = q.shape
    kv_heads, num_keys = k.shape[1], k.shape[2]
    grouped = q.reshape(batch, kv_heads, -1, head_dim) / math.sqrt(head_dim)
    scores = (grouped @ k.swapaxes(2, 3)).reshape(batch, heads, length, num_keys)
    weights = jax.nn.softmax(jnp.where(mask, scores, _MASKED), axis=-1)
    mixed = weights.reshape(batch, kv_heads, -1, num_keys) @ v
    return mixed.reshape(batch, heads, length, head_dim)


@functools.lru_cache(maxsize=8)
def _structure(config: ModelConfig) -> tuple[Any, tuple[tuple[str | int, ...], ...]]:
    abstract = nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0)))
    structure, state = nnx.split(abstract)
    return structure, tuple(path for path, _ in nnx.to_flat_state(state))


def _name(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))
