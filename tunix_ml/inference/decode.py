"""Continuous batched decoding: a row that is done takes the next prompt, so that no long text holds it up."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.prediction import DecodingConfig, FinishReason
from tunix_ml.inference import programs
from tunix_ml.inference.programs import Limits, Read, Rows, Weights
from tunix_ml.inference.sampling import make_sampling
from tunix_ml.inference.stops import Decode, num_tokens_to_stop
from tunix_ml.modeling.decoder import Cache, Network

_SMALLEST_BUCKET = 16
_MAX_TOKENS_READ = 4096  # together: more would not be faster, and scores take memory by its square
_STARTS_IN_A_BATCH = 4
_REFILLS_IN_A_BATCH = 8
_STEPS_BETWEEN_STOPS = 8
_NUM_IDENTITY_WORDS = 3
_NUM_END_TOKENS = 8


class DecodingError(TunixError):
    """The model's scores are not numbers."""


class Request(NamedTuple):
    """A prompt, and the number below 2^64 by which its samples are drawn, whatever its place among others."""

    ids: Sequence[int]
    item: int = 0


class Completion(NamedTuple):
    """What was written after a prompt.

    Attributes:
        ids: tokens written, up to the end token, or the token that completed a stop string.
        logprobs: of each, in nats, under the model itself.
        finish_reason: what ended it.
    """

    ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason


def decode(
    network: Network,
    weights: Weights,
    requests: Sequence[Request],
    *,
    config: DecodingConfig,
    end_token_ids: Sequence[int],
    batch_size: int,
    decode_text: Decode,
    report: Callable[[str], None],
) -> list[list[Completion]]:
    """Continue every prompt `num_samples` times, in the order of the requests.

    A completion follows from the parameters, the configuration, the prompt, the request's item and the number
    of the sample; batch size, order and neighbours only decide in which order the device adds, which may
    change the last bit of a logit.

    Args:
        network: structure of the model; its precision is that of decoding.
        weights: its parameters, made ready by `programs.prepare`.
        requests: prompts.
        config: how to choose tokens and when to stop.
        end_token_ids: any of them ends a text.
        batch_size: texts written side by side.
        decode_text: the text of some ids; asked only where there are stop strings.
        report: takes a line of progress now and then.

    Raises:
        ContractError: a prompt is empty, or too long for the model together with its completion.
        DecodingError: the model's scores are not numbers.
    """
    check_lengths(requests, config.max_new_tokens, network.config.max_position_embeddings)
    if not requests:
        return []
    batch = _Batch(network, weights, requests, config, end_token_ids, batch_size, decode_text)
    num_reported = 0
    while batch.has_work():
        batch.refill()
        batch.write()
        if batch.num_done >= min(num_reported + batch_size, batch.num_texts):
            num_reported = batch.num_done
            report(f"decoded {num_reported}/{batch.num_texts} texts")
    return batch.completions()


def bucket(length: int) -> int:
    """Return the power of two that a length is padded to."""
    return max(_SMALLEST_BUCKET, 1 << (length - 1).bit_length())


class _Text(NamedTuple):
    """A text being written: which, and what it is so far."""

    request: int
    sample: int
    ids: list[int]
    logprobs: list[float]


class _Waiting(NamedTuple):
    """A text whose prompt is read and stands in row `source` of what was read last."""

    source: int
    request: int
    sample: int


class _Batch:
    """Rows of the device's batch, the texts in them, and those that wait."""

    def __init__(
        self,
        network: Network,
        weights: Weights,
        requests: Sequence[Request],
        config: DecodingConfig,
        end_token_ids: Sequence[int],
        batch_size: int,
        decode_text: Decode,
    ) -> None:
        self._network, self._weights, self._requests, self._config = network, weights, requests, config
        self._batch_size, self._decode_text = batch_size, decode_text
        self._end_token_ids = frozenset(end_token_ids)
        self._sampling = make_sampling(config, vocab_size=network.config.vocab_size)
        self._num_started = max(1, batch_size // _STARTS_IN_A_BATCH)
        self._groups = deque(_groups(requests, batch_size))
        self._waiting: deque[_Waiting] = deque()
        self._read: Read | None = None
        self._texts: list[_Text | None] = [None] * batch_size
        self._cache: Cache = network.new_cache(batch_size=batch_size, num_slots=_SMALLEST_BUCKET)
        self._done: dict[tuple[int, int], Completion] = {}

    @property
    def num_texts(self) -> int:
        """Texts to write."""
        return len(self._requests) * self._config.num_samples

    @property
    def num_done(self) -> int:
        """Texts written."""
        return len(self._done)

    def has_work(self) -> bool:
        """Return whether a text is not done yet."""
        return self.num_done < self.num_texts

    def completions(self) -> list[list[Completion]]:
        """Return all texts by request and sample."""
        samples = range(self._config.num_samples)
        return [[self._done[index, sample] for sample in samples] for index in range(len(self._requests))]

    def refill(self) -> None:
        """Give idle rows the next texts, as long as there are both."""
        while (free := self._free_rows()) and (self._waiting or self._groups):
            if not self._waiting:
                self._read_next_group()
            count = min(len(free), len(self._waiting), self._num_started)
            self._start(free[:count], [self._waiting.popleft() for _ in range(count)])

    def write(self) -> None:
        """Let the device write on, and take what it wrote into the texts."""
        if len(self._free_rows()) == self._batch_size:
            return
        self._grow(self._last_slot() + 1)
        cache, chosen, num_steps = programs.write(
            self._weights, self._cache, self._rows(), self._limits(), self._sampling, network=self._network
        )
        self._cache = cache
        count = int(num_steps)
        tokens, logprobs = (np.asarray(values)[:count].T.tolist() for values in chosen)
        for row, text in enumerate(self._texts):
            if text is not None:
                self._extend(row, text, tokens[row], logprobs[row])

    def _read_next_group(self) -> None:
        group = self._groups.popleft()
        length = bucket(max(len(self._requests[index].ids) for index in group))
        group_size = _group_size(length, self._batch_size)
        ids = np.zeros((group_size, length), np.int32)
        lengths = np.ones(group_size, np.int32)  # a row without a prompt needs a last token as well
        for row, index in enumerate(group):
            prompt = self._requests[index].ids
            ids[row, : len(prompt)], lengths[row] = prompt, len(prompt)
        self._read = programs.read(self._weights, ids, lengths, network=self._network)
        samples = range(self._config.num_samples)
        self._waiting.extend(
            _Waiting(row, index, sample) for row, index in enumerate(group) for sample in samples
        )

    def _start(self, rows: Sequence[int], waiting: Sequence[_Waiting]) -> None:
        """Put texts into idle rows and choose the first token of each."""
        if self._read is None:
            raise RuntimeError("no prompt was read")
        source = np.zeros(self._num_started, np.int32)
        target = np.full(self._num_started, self._batch_size, np.int32)  # outside
        identity = np.zeros((self._num_started, _NUM_IDENTITY_WORDS), np.uint32)
        for place, (row, one) in enumerate(zip(rows, waiting, strict=True)):
            source[place], target[place] = one.source, row
            identity[place] = _identity(self._requests[one.request], one.sample)
        self._grow(self._read.cache[0].keys.shape[2])
        self._cache = programs.place(self._cache, self._read.cache, source, target)
        chosen = programs.choose_first(self._read.logits, source, identity, self._sampling)
        tokens, logprobs = (np.asarray(values).tolist() for values in chosen)
        for place, (row, one) in enumerate(zip(rows, waiting, strict=True)):
            text = _Text(one.request, one.sample, [], [])
            self._texts[row] = text
            self._extend(row, text, [tokens[place]], [logprobs[place]])

    def _extend(self, row: int, text: _Text, tokens: list[int], logprobs: list[float]) -> None:
        """Take new tokens into a text; if one of them ends it, the row is free."""
        ends = (place for place, token in enumerate(tokens, start=1) if token in self._end_token_ids)
        room = self._config.max_new_tokens - len(text.ids)
        count = min(next(ends, len(tokens)), room)
        text.ids.extend(tokens[:count])
        text.logprobs.extend(logprobs[:count])
        if not all(map(math.isfinite, text.logprobs[-count:])):
            raise DecodingError(
                f"the scores after prompt {text.request} are not numbers within {len(text.ids)} tokens:"
                " is the model sound?"
            )
        if completion := self._completion(text):
            self._done[text.request, text.sample] = completion
            self._texts[row] = None

    def _completion(self, text: _Text) -> Completion | None:
        count = num_tokens_to_stop(text.ids, self._config.stop, self._decode_text)
        if count is not None:
            return Completion(text.ids[:count], text.logprobs[:count], "stop")
        if text.ids[-1] in self._end_token_ids:
            return Completion(text.ids, text.logprobs, "eos")
        if len(text.ids) >= self._config.max_new_tokens:
            return Completion(text.ids, text.logprobs, "length")
        return None

    def _free_rows(self) -> list[int]:
        return [row for row, text in enumerate(self._texts) if text is None]

    def _slot(self, text: _Text) -> int:
        return len(self._requests[text.request].ids) + len(text.ids) - 1

    def _last_slot(self) -> int:
        return max(self._slot(text) for text in self._texts if text is not None)

    def _grow(self, num_slots: int) -> None:
        if num_slots > self._cache[0].keys.shape[2]:
            room = min(self._config.max_new_tokens, programs.MAX_STEPS)
            self._cache = programs.grow(self._cache, num_slots=bucket(num_slots - 1 + room))

    def _rows(self) -> Rows:
        size = self._batch_size
        rows = Rows(
            token=np.zeros(size, np.int32),
            slot=np.zeros(size, np.int32),
            num_written=np.zeros(size, np.int32),
            identity=np.zeros((size, _NUM_IDENTITY_WORDS), np.uint32),
            is_idle=np.ones(size, bool),
        )
        for row, text in enumerate(self._texts):
            if text is not None:
                rows.token[row], rows.slot[row] = text.ids[-1], self._slot(text)
                rows.num_written[row], rows.is_idle[row] = len(text.ids), False
                rows.identity[row] = _identity(self._requests[text.request], text.sample)
        return rows

    def _limits(self) -> Limits:
        num_idle = len(self._free_rows())
        has_more = bool(self._waiting or self._groups)
        refill = max(1, self._batch_size // _REFILLS_IN_A_BATCH)
        wanted = min(num_idle + refill, self._batch_size) if has_more else self._batch_size
        room = self._cache[0].keys.shape[2] - self._last_slot()
        most = _STEPS_BETWEEN_STOPS if self._config.stop else programs.MAX_STEPS
        ends = sorted(self._end_token_ids)
        padded = ends + [-1] * (-len(ends) % _NUM_END_TOKENS)
        return Limits(
            np.array(padded or [-1] * _NUM_END_TOKENS, np.int32),
            np.int32(self._config.max_new_tokens),
            np.int32(min(room, most)),
            np.int32(wanted),
        )


def _groups(requests: Sequence[Request], batch_size: int) -> Iterator[list[int]]:
    """Yield indices of requests to be read together, the shortest first; no group spans two buckets."""
    by_length = sorted(range(len(requests)), key=lambda index: (len(requests[index].ids), index))
    group: list[int] = []
    for index in by_length:
        length = bucket(len(requests[index].ids))
        is_full = len(group) == _group_size(length, batch_size)
        if group and (is_full or bucket(len(requests[group[0]].ids)) != length):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _group_size(length: int, batch_size: int) -> int:
    """Return how many prompts of a bucket are read together."""
    return max(1, min(batch_size, _MAX_TOKENS_READ // length))


def _identity(request: Request, sample: int) -> tuple[int, int, int]:
    return request.item >> 32, request.item & 0xFFFFFFFF, sample


def check_lengths(requests: Sequence[Request], max_new_tokens: int, limit: int) -> None:
    """Check that every prompt has a token and leaves room for a completion below the model's limit.

    Raises:
        ContractError: one does not.
    """
    for index, request in enumerate(requests):
        if not request.ids:
            raise ContractError(f"prompt {index} has no token")
    longest = max((len(request.ids) for request in requests), default=0)
    if longest + max_new_tokens > limit:
        raise ContractError(
            f"the longest prompt has {longest} tokens, which with max_new_tokens {max_new_tokens} is more"
            f" than the {limit} positions of the model: lower max_new_tokens to {max(limit - longest, 0)},"
            " or train with a longer seq_len"
        )
