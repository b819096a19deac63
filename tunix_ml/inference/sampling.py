"""Choosing the next token: the likeliest, or one drawn by temperature, top-k and top-p.

All settings are arguments of the compiled programs, so that a change of them compiles nothing.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tunix_ml.contracts.prediction import DecodingConfig

_BLOCK = 128
_DISTANCE_BITS = 31


class Sampling(NamedTuple):
    """How a token is chosen; all are scalars on the device.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_k: tokens drawn from; the size of the vocabulary or more is all of them.
        top_p: probability that the tokens drawn from must have together.
        seed: of all draws.
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    seed: jax.Array


class Chosen(NamedTuple):
    """A token for each row, and its log-probability in nats under the model itself, shapes (batch,)."""

    token: jax.Array
    logprob: jax.Array


def make_sampling(config: DecodingConfig, *, vocab_size: int) -> Sampling:
    """Return the settings as device scalars."""
    top_k = min(config.top_k or vocab_size, vocab_size)
    return Sampling(
        jnp.float32(config.temperature), jnp.int32(top_k), jnp.float32(config.top_p), jnp.uint32(config.seed)
    )


def choose(logits: jax.Array, identity: jax.Array, index: jax.Array, sampling: Sampling) -> Chosen:
    """Return the next token of each row.

    What is drawn follows from the seed, the row's identity, the index and the row's logits alone: neither the
    row's place nor its neighbours have a part in it.

    Args:
        logits: shape (batch, vocab).
        identity: words that tell the text of a row from all others, uint32, shape (batch, words).
        index: number of tokens written before in each row, shape (batch,).
        sampling: the settings.
    """
    logits = logits.astype(jnp.float32)
    best = jnp.max(logits, axis=-1, keepdims=True)
    distance = best - logits

    def likeliest() -> jax.Array:
        return _likeliest(distance)

    def drawn() -> jax.Array:
        return _draw(distance, _uniform(identity, index, sampling.seed), sampling)

    token = jax.lax.cond(sampling.temperature > 0, drawn, likeliest)
    chosen_distance = jnp.take_along_axis(distance, token[:, None], axis=1)[:, 0]
    return Chosen(token, 0.0 - chosen_distance - jnp.log(jnp.sum(jnp.exp(-distance), axis=-1)))


def _likeliest(distance: jax.Array) -> jax.Array:
    """Return the first token of each row that is at distance 0.

    Two plain reductions: XLA's argmax on a CPU is one of pairs, which it does not vectorise.
    """
    vocab_size = distance.shape[1]
    return jnp.min(jnp.where(distance == 0, jnp.arange(vocab_size), vocab_size - 1), axis=-1)


def _uniform(identity: jax.Array, index: jax.Array, seed: jax.Array) -> jax.Array:
    """Return a number in 0..1, 1 left out, for each row."""

    def one(words: jax.Array, position: jax.Array) -> jax.Array:
        key = jax.random.key(seed)
        for word in words:
            key = jax.random.fold_in(key, word)
        return jax.random.uniform(jax.random.fold_in(key, position))

    return jax.vmap(one)(identity, index)


def _draw(distance: jax.Array, uniform: jax.Array, sampling: Sampling) -> jax.Array:
    """Return the token at which the probability summed over the vocabulary first exceeds the number."""
    weights = jnp.exp(-distance / sampling.temperature)
    weights = jax.lax.cond(
        sampling.top_k < distance.shape[1],
        lambda: _truncated(weights, distance, jnp.ones_like(weights), sampling.top_k.astype(jnp.float32)),
        lambda: weights,
    )
    weights = jax.lax.cond(
        sampling.top_p < 1,
        lambda: _truncated(weights, distance, weights, sampling.top_p * jnp.sum(weights, axis=-1)),
        lambda: weights,
    )
    token = _first_beyond(weights, uniform)
    has_weight = jnp.take_along_axis(weights, token[:, None], axis=1)[:, 0] > 0
    return jnp.where(has_weight, token, _likeliest(distance))  # sums rounded apart at a border


def _truncated(weights: jax.Array, distance: jax.Array, counted: jax.Array, target: jax.Array) -> jax.Array:
    """Keep the fewest likeliest tokens whose `counted` reaches the target; equally likely ones stay together.

    The bound is found bit by bit: distances are not negative, so their bits as integers have their order.
    Sorting 50,000 logits takes longer on a CPU than a small model's whole forward.
    """
    bits = jax.lax.bitcast_convert_type(distance, jnp.int32)

    def reaches(bound: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(bits <= bound[:, None], counted, 0), axis=-1) >= target

    def lower(step: jax.Array, bound: jax.Array) -> jax.Array:
        candidate = bound - (1 << (_DISTANCE_BITS - 1 - step))
        return jnp.where(reaches(candidate), candidate, bound)

    everything = jnp.full(distance.shape[0], (1 << _DISTANCE_BITS) - 1, jnp.int32)
    bound = jax.lax.fori_loop(0, _DISTANCE_BITS, lower, everything)
    return jnp.where(bits <= bound[:, None], weights, 0)


def _first_beyond(weights: jax.Array, uniform: jax.Array) -> jax.Array:
    """Return the first index at which the running sum exceeds this share of the whole, block by block."""
    batch_size, size = weights.shape
    blocks = jnp.pad(weights, ((0, 0), (0, -size % _BLOCK))).reshape(batch_size, -1, _BLOCK)
    sums = jnp.cumsum(jnp.sum(blocks, axis=-1), axis=-1)
    target = uniform * sums[:, -1]
    block = jnp.minimum(jnp.sum(sums <= target[:, None], axis=-1), sums.shape[1] - 1)
    before = jnp.where(block > 0, jnp.take_along_axis(sums, block[:, None] - 1, axis=1)[:, 0], 0)
    inside = jnp.cumsum(jnp.take_along_axis(blocks, block[:, None, None], axis=1)[:, 0], axis=-1)
    offset = jnp.sum(inside <= (target - before)[:, None], axis=-1)
    return jnp.minimum(block * _BLOCK + jnp.minimum(offset, _BLOCK - 1), size - 1)
