"""Attention of queries to keys they may see: grouped heads, bounded scores, sliding windows."""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.backend import get_backend

from tunix_ml.contracts.training import Precision
from tunix_ml.modeling.products import as_operand, sum_of_products

_MASKED = -1e30
_QUERY_BLOCK = 64
_MAX_QUERY_BLOCKS = 8
_CUDNN_HEAD_DIMS = range(8, 129, 8)
_FUSED_TOLERANCE = 4 / 128  # operands have eight bits, and weights are rounded in another place


class _Settings(NamedTuple):
    scale: float
    softcap: float | None
    precision: Precision


class _Saved(NamedTuple):
    """What the gradient needs.

    Attributes:
        q: operand of shape (batch, kv_heads, group * length, head_dim), scaled.
        k: operand of shape (batch, kv_heads, keys, head_dim).
        v: of the shape of `k`.
        mask: as given.
        weights: of the keys, an operand of shape (batch, heads, length, keys).
        slopes: of the scores' bound, of the same shape.
        mixed: the result in the shape of `q`.
    """

    q: jax.Array
    k: jax.Array
    v: jax.Array
    mask: jax.Array
    weights: jax.Array
    slopes: jax.Array | None
    mixed: jax.Array


def attend_causally(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    mask: jax.Array,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | None = None,
    precision: Precision = "float32",
) -> jax.Array:
    """Attend where no query sees a later key, for training.

    Args:
        q: shape (batch, heads, length, head_dim).
        k: shape (batch, kv_heads, length, head_dim).
        v: of the shape of `k`.
        mask: True where a query may see a key, shape (batch, 1, length, length).
        scale: factor of the scores.
        softcap: bound of the scores, approached by a hyperbolic tangent.
        window: keys that a query sees at most: its own and those just before it.
        precision: of the products' operands.

    Returns:
        shape (batch, heads, length, head_dim).
    """
    length, head_dim = q.shape[2:]
    if window is not None and window < length:
        distance = jnp.arange(length)[:, None] - jnp.arange(length)
        mask = mask & (distance < window)
    if precision == "bfloat16" and softcap is None and head_dim in _CUDNN_HEAD_DIMS and _has_cudnn(head_dim):
        return attend_fused(q, k, v, mask, scale=scale, implementation="cudnn")
    return _attend_in_blocks(q, k, v, mask, _Settings(scale, softcap, precision), window)


def attend(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    mask: jax.Array,
    *,
    scale: float,
    softcap: float | None = None,
    precision: Precision = "float32",
) -> jax.Array:
    """Return softmax(scale q k') v over the keys that the mask shows.

    Args:
        q: shape (batch, heads, length, head_dim).
        k: shape (batch, kv_heads, keys, head_dim).
        v: of the shape of `k`.
        mask: True where a query may see a key, shape (batch, 1, length, keys).
        scale: factor of the scores.
        softcap: bound of the scores, approached by a hyperbolic tangent.
        precision: of the products' operands.
    """
    return _attention(q, k, v, mask, _Settings(scale, softcap, precision))


def attend_fused(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    mask: jax.Array,
    *,
    scale: float,
    implementation: Literal["xla", "cudnn"],
) -> jax.Array:
    """Return what `attend` does in bfloat16, by JAX's own function; scores of cuDNN's never reach memory.

    cuDNN takes the mask as a bias and, with one, an even number of tokens: an odd one gets a token that
    nobody sees. Source: jax/_src/cudnn/fused_attention_stablehlo.py of JAX 0.10.2.
    """
    length = q.shape[2]
    is_odd = length % 2
    heads = [(0, 0), (0, is_odd), (0, 0), (0, 0)]
    queries, keys, values = (jnp.pad(x.astype(jnp.bfloat16).swapaxes(1, 2), heads) for x in (q, k, v))
    visible = jnp.pad(mask, [(0, 0), (0, 0), (0, is_odd), (0, is_odd)])
    mixed = jax.nn.dot_product_attention(
        queries, keys, values, mask=visible, scale=scale, implementation=implementation
    )
    return mixed[:, :length].swapaxes(1, 2).astype(q.dtype)


def is_exact(implementation: Literal["xla", "cudnn"], head_dim: int) -> bool:
    """Return whether `attend_fused` runs here and gives the values and gradients of `attend`.

    A fused kernel depends on driver, library and card: it is asked once before anything rests on it.

    Args:
        implementation: as for `attend_fused`.
        head_dim: width of the heads asked about.
    """
    with jax.ensure_compile_time_eval():
        keys = jax.random.split(jax.random.key(0), 3)
        q, k, v = (
            jax.random.normal(key, (2, heads, 64, head_dim))
            for key, heads in zip(keys, (4, 2, 2), strict=True)
        )
        mask = jnp.tril(jnp.ones((2, 1, 64, 64), bool)).at[:, :, 32:, :32].set(False)  # two examples in a row
        fused = functools.partial(attend_fused, mask=mask, scale=0.1, implementation=implementation)
        plain = functools.partial(attend, mask=mask, scale=0.1, precision="bfloat16")
        try:
            pairs = zip(_with_gradients(fused, q, k, v), _with_gradients(plain, q, k, v), strict=True)
            return all(
                bool(jnp.allclose(x, y, atol=_FUSED_TOLERANCE * jnp.max(jnp.abs(y)))) for x, y in pairs
            )
        except (RuntimeError, ValueError, NotImplementedError):  # what JAX raises for a kernel it cannot have
            return False


def _with_gradients(attention: Callable[..., jax.Array], *operands: jax.Array) -> tuple[jax.Array, ...]:
    mixed, backward = jax.vjp(attention, *operands)
    return (mixed, *backward(jnp.ones_like(mixed)))


@functools.cache
def _has_cudnn(head_dim: int) -> bool:
    return "cuda" in get_backend().platform_version and is_exact("cudnn", head_dim)


def _attend_in_blocks(
    q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array, settings: _Settings, window: int | None
) -> jax.Array:
    """Let each block of queries meet only the keys from its window's start up to its own end.

    At 256 tokens four blocks leave out three eighths of the scores, which on a CPU cost more than the
    products: a layer's attention took 60 ms instead of 88.
    """
    length = q.shape[2]
    size = max(_QUERY_BLOCK, -(-length // _MAX_QUERY_BLOCKS))
    blocks = []
    for start in range(0, length, size):
        queries = slice(start, min(start + size, length))
        keys = slice(0 if window is None else max(0, start - window + 1), queries.stop)
        visible = mask[:, :, queries, keys]
        blocks.append(_attention(q[:, :, queries], k[:, :, keys], v[:, :, keys], visible, settings))
    return jnp.concatenate(blocks, axis=2)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _attention(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array, settings: _Settings) -> jax.Array:
    return _forward(q, k, v, mask, settings)[0]


def _forward(
    q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array, settings: _Settings
) -> tuple[jax.Array, _Saved]:
    """Attend; queries that share a head of keys stand below each other, as rows of one product."""
    grouped = (q * settings.scale).reshape(*k.shape[:2], -1, q.shape[3])
    rows, k, v = (as_operand(x, settings.precision) for x in (grouped, k, v))
    scores = sum_of_products(rows, k.mT).reshape(*q.shape[:3], -1)
    slopes = None
    if settings.softcap is not None:
        bounded = jnp.tanh(scores / settings.softcap)
        scores, slopes = settings.softcap * bounded, 1 - jnp.square(bounded)
    weights = as_operand(jax.nn.softmax(jnp.where(mask, scores, _MASKED), axis=-1), settings.precision)
    mixed = sum_of_products(weights.reshape(*rows.shape[:3], -1), v)
    saved = _Saved(rows, k, v, mask, weights, slopes, mixed)
    return mixed.reshape(q.shape).astype(q.dtype), saved


def _backward(
    settings: _Settings, saved: _Saved, gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    """Return the gradients by queries, keys and values.

    The mean that a softmax's gradient takes off needs no scores: it is the product of the result and its
    gradient. Source: https://arxiv.org/abs/2205.14135, appendix B.2.
    """
    q, k, v, mask, weights, slopes, mixed = saved
    rows, by_mixed = weights.reshape(*mixed.shape[:3], -1), gradient.reshape(mixed.shape)
    operand = as_operand(by_mixed, settings.precision)
    mean = jnp.sum(by_mixed * mixed, axis=-1, keepdims=True)
    by_scores = (rows * (sum_of_products(operand, v.mT) - mean)).reshape(weights.shape)
    if slopes is not None:
        by_scores = by_scores * slopes
    by_scores = as_operand(jnp.where(mask, by_scores, 0), settings.precision).reshape(rows.shape)
    by_q = settings.scale * sum_of_products(by_scores, k).reshape(gradient.shape)
    by_k, by_v = sum_of_products(by_scores.mT, q), sum_of_products(rows.mT, operand)
    kind = gradient.dtype
    return by_q.astype(kind), by_k.astype(kind), by_v.astype(kind), None


_attention.defvjp(_forward, _backward)
