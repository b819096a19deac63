"""Greedy decoding in batches: one prefill, then a loop on the device over a cache of keys and values.

Prompts are padded on the left, so that all rows write the same cache slot at the same time. Lengths go in
buckets of powers of two, so that few programs are compiled; the end token and the number of new tokens are
arguments of the program, and the loop ends as soon as every row has.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.prediction import FinishReason
from tunix_ml.modeling.decoder import Cache, Network, Params

_SMALLEST_BUCKET = 16


class Completion(NamedTuple):
    """What was written after one prompt; the ids include the end token that stopped it."""

    ids: list[int]
    finish_reason: FinishReason


class Loop(NamedTuple):
    """What changes from token to token.

    Attributes:
        num_written: tokens in every row of `written`.
        token: the next token of each row, already chosen, shape (batch,).
        is_finished: rows whose end token is written, shape (batch,).
        written: shape (batch, room), padding after the end.
        cache: keys and values of all tokens before `token`.
    """

    num_written: jax.Array
    token: jax.Array
    is_finished: jax.Array
    written: jax.Array
    cache: Cache


def decode_greedily(
    network: Network,
    params: Params,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    eos_token_id: int,
    pad_token_id: int,
    batch_size: int,
    report: Callable[[str], None],
) -> list[Completion]:
    """Continue every prompt with the likeliest token until the end token or the limit.

    Prompts of similar length are decoded together; the answers come back in the order of the prompts, and
    none depends on its neighbours.

    Raises:
        ContractError: a prompt is empty, or too long for the model together with its completion.
    """
    _check_lengths(prompts, max_new_tokens, network.config.max_position_embeddings)
    completions: dict[int, Completion] = {}
    for indices in _batches(prompts, batch_size):
        input_ids, num_padding = _pad_left([prompts[i] for i in indices], pad_token_id, batch_size)
        written = _decode(
            params,
            input_ids,
            num_padding,
            jnp.int32(len(indices)),
            jnp.int32(max_new_tokens),
            jnp.int32(eos_token_id),
            network=network,
            room=bucket(max_new_tokens),
        )
        rows = np.asarray(written)[: len(indices), :max_new_tokens].tolist()
        completions |= {i: _cut(row, eos_token_id) for i, row in zip(indices, rows, strict=True)}
        report(f"decoded {len(completions)}/{len(prompts)} prompts")
    return [completions[i] for i in range(len(prompts))]


def bucket(length: int) -> int:
    """Return the power of two that a length is padded to."""
    return max(_SMALLEST_BUCKET, 1 << (length - 1).bit_length())


@functools.partial(jax.jit, static_argnames=("network", "room"))
def _decode(
    params: Params,
    input_ids: jax.Array,
    num_padding: jax.Array,
    num_rows: jax.Array,
    max_new_tokens: jax.Array,
    eos_token_id: jax.Array,
    *,
    network: Network,
    room: int,
) -> jax.Array:
    """Return the tokens written after each prompt, shape (batch, room); rows from `num_rows` on are idle."""
    decoder = network.bind(params)
    batch_size, length = input_ids.shape
    slots = jnp.arange(length + room)
    is_real = slots >= num_padding[:, None]

    def next_token(ids: jax.Array, cache: Cache, slot: jax.Array | int) -> tuple[jax.Array, Cache]:
        queries = slot + jnp.arange(ids.shape[1])
        mask = is_real[:, None, :] & (slots <= queries[:, None])
        positions = jnp.maximum(queries - num_padding[:, None], 0)
        output = decoder.hidden(ids, positions=positions, mask=mask, cache=cache, slot=slot)
        return jnp.argmax(decoder.logits(output.hidden[:, -1]), axis=-1), output.cache or cache

    def is_going_on(loop: Loop) -> jax.Array:
        return (loop.num_written < max_new_tokens) & ~jnp.all(loop.is_finished)

    def write_and_go_on(loop: Loop) -> Loop:
        token = jnp.where(loop.is_finished, eos_token_id, loop.token)
        written = jax.lax.dynamic_update_slice(loop.written, token[:, None], (0, loop.num_written))
        is_finished = loop.is_finished | (token == eos_token_id)
        following, cache = next_token(token[:, None], loop.cache, length + loop.num_written)
        return Loop(loop.num_written + 1, following, is_finished, written, cache)

    token, cache = next_token(input_ids, network.new_cache(batch_size=batch_size, num_slots=length + room), 0)
    is_idle = jnp.arange(batch_size) >= num_rows
    written = jnp.zeros((batch_size, room), token.dtype)
    start = Loop(jnp.int32(0), token, is_idle, written, cache)
    return jax.lax.while_loop(is_going_on, write_and_go_on, start).written


def _batches(prompts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Yield indices of prompts, the shortest first; one batch never spans two buckets."""
    by_length = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    batch: list[int] = []
    for i in by_length:
        if batch and (len(batch) == batch_size or bucket(len(prompts[batch[0]])) != bucket(len(prompts[i]))):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _pad_left(prompts: Sequence[Sequence[int]], pad: int, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Return ids of shape (batch_size, bucket) and the padding of each row; idle rows are all padding."""
    length = bucket(max(map(len, prompts)))
    ids = np.full((batch_size, length), pad, np.int32)
    num_padding = np.full(batch_size, length - 1, np.int32)  # an idle row still needs one token to look at
    for row, prompt in enumerate(prompts):
        num_padding[row] = length - len(prompt)
        ids[row, num_padding[row] :] = prompt
    return jnp.asarray(ids), jnp.asarray(num_padding)


def _cut(row: list[int], eos_token_id: int) -> Completion:
    if eos_token_id in row:
        return Completion(row[: row.index(eos_token_id) + 1], "eos")
    return Completion(row, "length")


def _check_lengths(prompts: Sequence[Sequence[int]], max_new_tokens: int, limit: int) -> None:
    for index, prompt in enumerate(prompts):
        if not prompt:
            raise ContractError(f"prompt {index} has no token")
    longest = max(map(len, prompts), default=0)
    if longest + max_new_tokens > limit:
        raise ContractError(
            f"the longest prompt has {longest} tokens, which with max_new_tokens {max_new_tokens} is more"
            f" than the {limit} positions of the model: lower max_new_tokens to {max(limit - longest, 0)},"
            " or train with a longer seq_len"
        )
