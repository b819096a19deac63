"""What runs on the device: read prompts, put them into rows of the batch, write tokens until rows are done.

A token stands in the cache slot of its position, so a row's keys never depend on when its turn came. Shapes
go in powers of two; whatever else may change is an argument. The host decides between the calls.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tunix_ml.inference.sampling import Chosen, Sampling, choose
from tunix_ml.modeling.decoder import Cache, LayerCache, Network, Params

MAX_STEPS = 64
# Kernels that the decoder multiplies by in one product, by the names of the modules.
_ONE_PRODUCT = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
_VOCAB_MULTIPLE = 128


class Weights(NamedTuple):
    """Parameters made ready for decoding.

    Attributes:
        params: of the layers one by one; kernels in the precision of the products, those that are multiplied
            by in one product side by side under the first one's name.
        head: kernel of the last product, rows contiguous, shape (hidden, padded vocabulary).
    """

    params: Params
    head: jax.Array


class Read(NamedTuple):
    """Prompts read together: their keys and values, and the logits after the last token of each."""

    cache: Cache
    logits: jax.Array


class Rows(NamedTuple):
    """The rows of the batch between two calls; shapes (batch,), `identity` (batch, words).

    Attributes:
        token: the last token written, which the model has not read yet.
        slot: position of that token.
        num_written: tokens written so far, that one included.
        identity: tells the text of a row from all others.
        is_idle: rows that nothing is written in.
    """

    token: Any
    slot: Any
    num_written: Any
    identity: Any
    is_idle: Any


class Limits(NamedTuple):
    """When a call ends; device scalars, and the end tokens, shape (some,), unused places -1.

    Attributes:
        end_token_ids: any of them ends its text.
        max_new_tokens: a text has no more.
        num_steps: tokens of each row in this call, at most `MAX_STEPS`.
        num_idle: the call ends when so many rows are idle.
    """

    end_token_ids: Any
    max_new_tokens: Any
    num_steps: Any
    num_idle: Any


class Written(NamedTuple):
    """What a call wrote: `chosen` of shape (MAX_STEPS, batch), of which the first `num_steps` count."""

    cache: Cache
    chosen: Chosen
    num_steps: jax.Array


class _Loop(NamedTuple):
    num_steps: jax.Array
    rows: Rows
    cache: Cache
    chosen: Chosen


@functools.partial(jax.jit, static_argnames=("network",))
def prepare(params: Params, *, network: Network) -> Weights:
    """Return the parameters as decoding wants them.

    The head's kernel is laid out by rows and padded: with 50,257 columns XLA's product took 2.4 times as long
    on a CPU as with 50,304.
    """
    params = network.unstack(params)
    head = network.bind(params).head_kernel()
    head = jnp.pad(head, ((0, 0), (0, -head.shape[1] % _VOCAB_MULTIPLE)))
    if network.precision == "bfloat16":
        head = head.astype(jnp.bfloat16)
        params = {
            name: value.astype(jnp.bfloat16) if name.endswith(".kernel") else value
            for name, value in params.items()
        }
    return Weights(_joined(params), head)


def parted(params: Params, network: Network) -> Params:
    """Undo the joining; what is cut here and joined by the decoder is left whole by XLA."""
    apart = dict(params)
    shapes = jax.eval_shape(lambda: network.unstack(network.init(jax.random.key(0))))
    for name in params:
        for first, *others in _ONE_PRODUCT:
            if name.endswith(f".{first}.kernel") and params[name].shape != shapes[name].shape:
                names = [name, *(name.replace(first, other) for other in others)]
                ends = np.cumsum([shapes[one].shape[1] for one in names])[:-1]
                apart |= dict(zip(names, jnp.split(params[name], ends, axis=1), strict=True))
    return apart


@functools.partial(jax.jit, static_argnames=("network",))
def read(weights: Weights, prompts: jax.Array, lengths: jax.Array, *, network: Network) -> Read:
    """Read prompts of shape (group, length), padded after their ends."""
    group_size, length = prompts.shape
    slots = jnp.arange(length)
    mask = jnp.broadcast_to(slots <= slots[:, None], (group_size, length, length))
    output = network.bind(parted(weights.params, network)).hidden(
        prompts,
        positions=jnp.broadcast_to(slots, prompts.shape),
        mask=mask,
        cache=network.new_cache(batch_size=group_size, num_slots=length),
    )
    last = output.hidden[jnp.arange(group_size), lengths - 1]
    return Read(_cache_of(output.cache), _logits(weights, last, network))


@functools.partial(jax.jit, static_argnames=("network",))
def completion_nats(weights: Weights, ids: jax.Array, is_asked: jax.Array, *, network: Network) -> jax.Array:
    """Return the negative log-likelihood of the tokens asked for in each row, in nats, shape (rows,).

    Args:
        weights: made ready for decoding.
        ids: rows of tokens, padded after their ends, shape (rows, length).
        is_asked: 1 at the tokens asked for, 0 elsewhere and at each row's first, shape (rows, length).
        network: of the weights.
    """
    num_rows, length = ids.shape
    slots = jnp.arange(length)
    output = network.bind(parted(weights.params, network)).hidden(
        ids,
        positions=jnp.broadcast_to(slots, ids.shape),
        mask=jnp.broadcast_to(slots <= slots[:, None], (num_rows, length, length)),
    )

    def row_nats(row: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        hidden, targets, asked = row
        log_probs = jax.nn.log_softmax(_logits(weights, hidden, network), axis=-1)
        picked = jnp.take_along_axis(log_probs, targets[:, None], axis=-1)[:, 0]
        return -jnp.sum(jnp.where(asked > 0, picked, 0.0))

    # A row at a time: the logits of all of them would be the largest array by far.
    nats: jax.Array = jax.lax.map(row_nats, (output.hidden[:, :-1], ids[:, 1:], is_asked[:, 1:]))
    return nats


@jax.jit
def choose_first(logits: jax.Array, source: jax.Array, identity: jax.Array, sampling: Sampling) -> Chosen:
    """Choose the first token of texts whose prompts are the rows `source` of what was read."""
    return choose(logits[source], identity, jnp.zeros_like(source), sampling)


@functools.partial(jax.jit, donate_argnames=("cache",))
def place(cache: Cache, prompts: Cache, source: jax.Array, target: jax.Array) -> Cache:
    """Copy rows `source` of prompts that were read to the rows `target`; a target outside is left out."""

    def copied(into: jax.Array, new: jax.Array) -> jax.Array:
        written: jax.Array = into.at[target, :, : new.shape[2]].set(new[source], mode="drop")
        return written

    return tuple(
        LayerCache(copied(into.keys, new.keys), copied(into.values, new.values))
        for into, new in zip(cache, prompts, strict=True)
    )


@functools.partial(jax.jit, static_argnames=("num_slots",))
def grow(cache: Cache, *, num_slots: int) -> Cache:
    """Return the cache with more slots."""
    more = ((0, 0), (0, 0), (0, num_slots - cache[0].keys.shape[2]), (0, 0))
    return tuple(LayerCache(jnp.pad(layer.keys, more), jnp.pad(layer.values, more)) for layer in cache)


@functools.partial(jax.jit, static_argnames=("network",), donate_argnames=("cache",))
def write(
    weights: Weights, cache: Cache, rows: Rows, limits: Limits, sampling: Sampling, *, network: Network
) -> Written:
    """Write on in every row that is not idle, until enough rows are, or the call's steps are done."""
    decoder = network.bind(parted(weights.params, network))
    batch_size, num_slots = rows.token.shape[0], cache[0].keys.shape[2]
    slots = jnp.arange(num_slots)

    def is_going_on(loop: _Loop) -> jax.Array:
        return jnp.logical_and(
            loop.num_steps < limits.num_steps, jnp.sum(loop.rows.is_idle) < limits.num_idle
        )

    def step(loop: _Loop) -> _Loop:
        rows = loop.rows
        output = decoder.hidden(
            rows.token[:, None],
            positions=rows.slot[:, None],
            mask=slots <= rows.slot[:, None, None],
            cache=loop.cache,
            slot=rows.slot,
        )
        logits = _logits(weights, output.hidden[:, 0], network)
        new = choose(logits, rows.identity, rows.num_written, sampling)
        chosen = Chosen(
            *(all_.at[loop.num_steps].set(one) for all_, one in zip(loop.chosen, new, strict=True))
        )
        return _Loop(loop.num_steps + 1, _advance(rows, new.token, limits), _cache_of(output.cache), chosen)

    empty = Chosen(jnp.zeros((MAX_STEPS, batch_size), jnp.int32), jnp.zeros((MAX_STEPS, batch_size)))
    end = jax.lax.while_loop(is_going_on, step, _Loop(jnp.int32(0), rows, cache, empty))
    return Written(end.cache, end.chosen, end.num_steps)


def _joined(params: Params) -> Params:
    """Put kernels of one product side by side, once instead of in every call."""
    joined = dict(params)
    for name in params:
        for first, *others in _ONE_PRODUCT:
            names = [name.replace(first, other) for other in others]
            if name.endswith(f".{first}.kernel") and all(other in params for other in names):
                kernels = [joined[name], *(joined.pop(other) for other in names)]
                joined[name] = jnp.concatenate(kernels, axis=1)
    return joined


def _advance(rows: Rows, token: jax.Array, limits: Limits) -> Rows:
    """Return the rows after a token; idle ones stay where they are."""
    moved = jnp.where(rows.is_idle, 0, 1)
    num_written = rows.num_written + moved
    is_end = jnp.any(token[:, None] == limits.end_token_ids, axis=-1)
    is_idle = rows.is_idle | is_end | (num_written >= limits.max_new_tokens)
    return Rows(token, rows.slot + moved, num_written, rows.identity, is_idle)


def _logits(weights: Weights, hidden: jax.Array, network: Network) -> jax.Array:
    """Return scores over the vocabulary for hidden states of shape (rows, hidden)."""
    scores = jnp.matmul(hidden.astype(weights.head.dtype), weights.head, preferred_element_type=jnp.float32)
    logits = scores[:, : network.config.vocab_size]
    softcap = network.config.final_logit_softcapping
    return logits if softcap is None else softcap * jnp.tanh(logits / softcap)


def _cache_of(cache: Cache | None) -> Cache:
    if cache is None:
        raise ValueError("a decoder called with a cache returned none")
    return cache
