"""The loss: negative log-likelihood of the supervised targets, without more logits in memory than needed."""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from tunix_ml.contracts.training import Precision
from tunix_ml.modeling.products import as_operand, sum_of_products

# 128 MiB of float32: larger parts gain nothing on a CPU, and accelerators have room for them.
_MAX_LOGITS = 1 << 25

_T = TypeVar("_T")
_U = TypeVar("_U")


class LossSum(NamedTuple):
    """Negative log-likelihood in nats over the supervised tokens, and their number."""

    nats: jax.Array
    num_supervised: jax.Array


class _Settings(NamedTuple):
    softcap: float | None
    precision: Precision
    num_chunks: int


class _Rows(NamedTuple):
    """Some tokens: hidden states of shape (rows, hidden_size), targets and weights of shape (rows,)."""

    hidden: jax.Array
    targets: jax.Array
    weights: jax.Array


class _Scores(NamedTuple):
    """Logits of shape (rows, vocab), the logarithms of their exponentials' sums, and the nats, (rows,)."""

    logits: jax.Array
    log_sums: jax.Array
    nats: jax.Array


class _Total(NamedTuple):
    """The weighted nats, and their gradient by the kernel transposed, shape (vocab, hidden_size)."""

    nats: jax.Array
    of_kernel: jax.Array


class _OfRows(NamedTuple):
    """The gradient by the hidden states, and that by the weights: the nats of each row."""

    of_hidden: jax.Array
    nats: jax.Array


class _Gradients(NamedTuple):
    """By the hidden states, the kernel and the weights."""

    hidden: jax.Array
    kernel: jax.Array
    weights: jax.Array


def chunked_cross_entropy(
    hidden: jax.Array,
    kernel: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    *,
    softcap: float | None = None,
    precision: Precision = "float32",
    num_chunks: int | None = None,
) -> LossSum:
    """Return the weighted negative log-likelihood of the targets under the scores `hidden @ kernel`.

    The scores of one part of the rows exist at a time. Where a gradient is asked for, it is computed with
    them and waits for its factor: no score is computed twice.
    Source: https://arxiv.org/abs/2410.10989.

    Args:
        hidden: shape (rows, hidden_size).
        kernel: shape (hidden_size, vocab).
        targets: shape (rows,).
        weights: shape (rows,).
        softcap: bound of the scores, approached by a hyperbolic tangent.
        precision: of the product's operands.
        num_chunks: parts of the rows; None: `num_chunks_for`.
    """
    if num_chunks is None:
        num_chunks = num_chunks_for(hidden.shape[0], kernel.shape[1])
    settings = _Settings(softcap, precision, num_chunks)
    return LossSum(_nats(hidden, kernel, targets, weights, settings), jnp.sum(weights))


def num_chunks_for(rows: int, vocab_size: int) -> int:
    """Return the parts of the rows that keep the logits held at a time at 128 MiB or below."""
    return min(rows, -(-rows * vocab_size // _MAX_LOGITS))


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _nats(
    hidden: jax.Array,
    kernel: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    settings: _Settings,
) -> jax.Array:
    kernel = as_operand(kernel, settings.precision)

    def add(total: jax.Array, rows: _Rows) -> tuple[jax.Array, None]:
        scores = _score(rows, as_operand(rows.hidden, settings.precision), kernel, settings.softcap)
        return total + jnp.sum(scores.nats * rows.weights), None

    return _over_chunks(add, jnp.zeros(()), _Rows(hidden, targets, weights), settings.num_chunks)[0]


def _forward(
    hidden: jax.Array,
    kernel: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    settings: _Settings,
) -> tuple[jax.Array, _Gradients]:
    operand = as_operand(kernel, settings.precision)

    def add(total: _Total, rows: _Rows) -> tuple[_Total, _OfRows]:
        states = as_operand(rows.hidden, settings.precision)
        scores = _score(rows, states, operand, settings.softcap)
        gradient = as_operand(_gradient_of_product(rows, scores, settings.softcap), settings.precision)
        of_hidden = sum_of_products(gradient, operand.T).astype(hidden.dtype)
        of_kernel = sum_of_products(gradient.T, states)
        nats = total.nats + jnp.sum(scores.nats * rows.weights)
        return _Total(nats, total.of_kernel + of_kernel), _OfRows(of_hidden, scores.nats)

    # The kernel's gradient is kept transposed: that is how tied embeddings want it, row by row.
    nothing = _Total(jnp.zeros(()), jnp.zeros(kernel.shape[::-1]))
    total, of_rows = _over_chunks(add, nothing, _Rows(hidden, targets, weights), settings.num_chunks)
    return total.nats, _Gradients(of_rows.of_hidden, total.of_kernel.astype(kernel.dtype), of_rows.nats)


def _backward(
    _: _Settings, saved: _Gradients, factor: jax.Array
) -> tuple[jax.Array, jax.Array, None, jax.Array]:
    hidden, vectors, weights = saved
    by_hidden, by_vectors = (factor * gradient.astype(jnp.float32) for gradient in (hidden, vectors))
    return by_hidden.astype(hidden.dtype), by_vectors.astype(vectors.dtype).T, None, factor * weights


_nats.defvjp(_forward, _backward)


def _score(rows: _Rows, states: jax.Array, kernel: jax.Array, softcap: float | None) -> _Scores:
    logits = sum_of_products(states, kernel)
    if softcap is not None:
        logits = softcap * jnp.tanh(logits / softcap)
    log_sums = jax.nn.logsumexp(logits, axis=1)
    of_target = jnp.take_along_axis(logits, rows.targets[:, None], axis=1)[:, 0]
    return _Scores(logits, log_sums, log_sums - of_target)


def _gradient_of_product(rows: _Rows, scores: _Scores, softcap: float | None) -> jax.Array:
    """Return the gradient of the weighted sum of nats by the scores before their bound.

    The target is found by comparison: a scatter would touch one element at a time.
    """
    is_target = jnp.arange(scores.logits.shape[1]) == rows.targets[:, None]
    probabilities = jnp.exp(scores.logits - scores.log_sums[:, None])
    gradient = (probabilities - is_target) * rows.weights[:, None]
    return gradient if softcap is None else gradient * (1 - jnp.square(scores.logits / softcap))


def _over_chunks(
    add: Callable[[_T, _Rows], tuple[_T, _U]], nothing: _T, rows: _Rows, num_chunks: int
) -> tuple[_T, _U]:
    """Return the total over the chunks, and what `add` returns for their rows, in the rows' own order.

    A chunk takes each num_chunks-th row, so that rows shared out to devices stay where they are.
    """
    if num_chunks == 1:
        return add(nothing, rows)
    num_rows = rows.targets.shape[0]
    total, of_rows = jax.lax.scan(add, nothing, jax.tree.map(lambda x: _split(x, num_chunks), rows))
    return total, jax.tree.map(lambda x: _join(x)[:num_rows], of_rows)


def _split(x: jax.Array, num_chunks: int) -> jax.Array:
    padding = [(0, -x.shape[0] % num_chunks), *[(0, 0)] * (x.ndim - 1)]
    return jnp.moveaxis(jnp.pad(x, padding).reshape(-1, num_chunks, *x.shape[1:]), 1, 0)


def _join(x: jax.Array) -> jax.Array:
    return jnp.moveaxis(x, 0, 1).reshape(-1, *x.shape[2:])
