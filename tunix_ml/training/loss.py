"""The loss: negative log-likelihood of the supervised targets, without more logits in memory than needed."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tunix_ml.contracts.training import Precision
from tunix_ml.modeling.products import as_operand, sum_of_products

# 128 MiB of float32, chosen on a CPU: with four parts instead of one the loss of distilgpt2 took half as long
# again.
_MAX_LOGITS = 1 << 25


class LossSum(NamedTuple):
    """Negative log-likelihood in nats over the supervised tokens, and their number."""

    nats: jax.Array
    num_supervised: jax.Array


class _Settings(NamedTuple):
    softcap: float | None
    precision: Precision
    vocab_size: int
    num_chunks: int


class _Saved(NamedTuple):
    """What the gradient needs.

    Attributes:
        hidden: as given.
        vectors: the kernel transposed, in chunks.
        targets: as given.
        weights: as given.
        nats: of each row, shape (rows,).
        log_sums: logarithms of the sums of the exponentials of the logits, shape (rows,).
        logits: shape (rows, vocab), if there is one chunk.
    """

    hidden: jax.Array
    vectors: jax.Array
    targets: jax.Array
    weights: jax.Array
    nats: jax.Array
    log_sums: jax.Array
    logits: jax.Array | None


class _Sums(NamedTuple):
    """Of the logits seen so far: the largest, the sum of exponentials below it, the target's; (rows,)."""

    largest: jax.Array
    exponentials: jax.Array
    of_target: jax.Array


class _Gradients(NamedTuple):
    """By the hidden states, and by the kernel transposed, in chunks."""

    hidden: jax.Array
    vectors: jax.Array


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

    Of more than one chunk of the vocabulary, the logits of one exist at a time: sums of exponentials are
    carried from one to the next, and the gradient computes the logits again.
    Source: https://arxiv.org/abs/2411.09009.

    Args:
        hidden: shape (rows, hidden_size).
        kernel: shape (hidden_size, vocab).
        targets: shape (rows,).
        weights: shape (rows,).
        softcap: bound of the scores, approached by a hyperbolic tangent.
        precision: of the products' operands.
        num_chunks: parts of the vocabulary; None: `num_chunks_for`.
    """
    if num_chunks is None:
        num_chunks = num_chunks_for(hidden.shape[0], kernel.shape[1])
    nats = _nats(hidden, kernel, targets, weights, _Settings(softcap, precision, kernel.shape[1], num_chunks))
    return LossSum(nats, jnp.sum(weights))


def num_chunks_for(rows: int, vocab_size: int) -> int:
    """Return the parts of the vocabulary that keep the logits of one at 128 MiB or below.

    If possible they divide it, which saves a copy of the kernel.
    """
    least = min(vocab_size, -(-rows * vocab_size // _MAX_LOGITS))
    return next((number for number in range(least, 2 * least) if vocab_size % number == 0), least)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _nats(
    hidden: jax.Array, kernel: jax.Array, targets: jax.Array, weights: jax.Array, settings: _Settings
) -> jax.Array:
    return _forward(hidden, kernel, targets, weights, settings)[0]


def _forward(
    hidden: jax.Array, kernel: jax.Array, targets: jax.Array, weights: jax.Array, settings: _Settings
) -> tuple[jax.Array, _Saved]:
    states, vectors = as_operand(hidden, settings.precision), _in_chunks(kernel, settings)
    zeros = jnp.zeros(targets.shape)
    sums = _Sums(jnp.full(targets.shape, -jnp.inf), zeros, zeros)
    logits = None
    if settings.num_chunks == 1:
        logits = _logits(states, vectors, 0, settings)
        sums = _add(sums, logits, 0, targets, settings)
    else:
        sums = jax.lax.fori_loop(
            0,
            settings.num_chunks,
            lambda index, sums: _add(
                sums, _logits(states, vectors, index, settings), index, targets, settings
            ),
            sums,
        )
    log_sums = jnp.log(sums.exponentials) + sums.largest
    nats = log_sums - sums.of_target
    return jnp.sum(nats * weights), _Saved(hidden, vectors, targets, weights, nats, log_sums, logits)


def _backward(
    settings: _Settings, saved: _Saved, factor: jax.Array
) -> tuple[jax.Array, jax.Array, None, jax.Array]:
    states = as_operand(saved.hidden, settings.precision)

    def add(index: jax.Array | int, gradients: _Gradients) -> _Gradients:
        logits = _logits(states, saved.vectors, index, settings) if saved.logits is None else saved.logits
        by_product = as_operand(_by_product(saved, logits, index, factor, settings), settings.precision)
        operand = as_operand(saved.vectors[:, index], settings.precision)
        by_vectors = sum_of_products(by_product.T, states).astype(saved.vectors.dtype)
        return _Gradients(
            gradients.hidden + sum_of_products(by_product, operand),
            gradients.vectors.at[:, index].set(by_vectors),
        )

    nothing = _Gradients(jnp.zeros(states.shape), jnp.zeros_like(saved.vectors))
    if settings.num_chunks == 1:
        gradients = add(0, nothing)
    else:
        gradients = jax.lax.fori_loop(0, settings.num_chunks, add, nothing)
    by_kernel = gradients.vectors.reshape(-1, states.shape[1])[: settings.vocab_size].T
    return gradients.hidden.astype(saved.hidden.dtype), by_kernel, None, factor * saved.nats


_nats.defvjp(_forward, _backward)


def _in_chunks(kernel: jax.Array, settings: _Settings) -> jax.Array:
    """Return the kernel transposed, shape (chunk, num_chunks, hidden_size).

    A chunk takes each num_chunks-th token, so that a vocabulary shared out to devices stays where it is.
    """
    padding = -settings.vocab_size % settings.num_chunks
    return jnp.pad(kernel.T, [(0, padding), (0, 0)]).reshape(-1, settings.num_chunks, kernel.shape[0])


def _logits(states: jax.Array, vectors: jax.Array, index: jax.Array | int, settings: _Settings) -> jax.Array:
    """Return the logits of one chunk, shape (rows, chunk)."""
    logits = sum_of_products(states, as_operand(vectors[:, index], settings.precision).T)
    if settings.softcap is not None:
        logits = settings.softcap * jnp.tanh(logits / settings.softcap)
    return logits


def _add(
    sums: _Sums, logits: jax.Array, index: jax.Array | int, targets: jax.Array, settings: _Settings
) -> _Sums:
    logits = _without_padding(logits, index, settings)
    largest = jnp.maximum(sums.largest, jnp.max(logits, axis=1))
    exponentials = jnp.sum(jnp.exp(logits - largest[:, None]), axis=1)
    places, chunks = jnp.divmod(targets, settings.num_chunks)
    of_target = jnp.take_along_axis(logits, places[:, None], axis=1)[:, 0]
    return _Sums(
        largest,
        sums.exponentials * jnp.exp(sums.largest - largest) + exponentials,
        jnp.where(chunks == index, of_target, sums.of_target),
    )


def _by_product(
    saved: _Saved, logits: jax.Array, index: jax.Array | int, factor: jax.Array, settings: _Settings
) -> jax.Array:
    """Return the gradient by the product of one chunk, before the bound of the scores.

    The target is found by comparison: a scatter would touch one element at a time.
    """
    probabilities = jnp.exp(_without_padding(logits, index, settings) - saved.log_sums[:, None])
    is_target = _tokens(logits, index, settings) == saved.targets[:, None]
    gradient = (probabilities - is_target) * (factor * saved.weights)[:, None]
    if settings.softcap is not None:
        gradient = gradient * (1 - jnp.square(logits / settings.softcap))
    return gradient


def _tokens(logits: jax.Array, index: jax.Array | int, settings: _Settings) -> jax.Array:
    return settings.num_chunks * jnp.arange(logits.shape[1]) + index


def _without_padding(logits: jax.Array, index: jax.Array | int, settings: _Settings) -> jax.Array:
    if settings.vocab_size % settings.num_chunks == 0:
        return logits
    return jnp.where(_tokens(logits, index, settings) < settings.vocab_size, logits, -jnp.inf)
