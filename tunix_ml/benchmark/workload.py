"""What the timed model reads: rows of random examples, and random prompts; the same for every side."""

from typing import NamedTuple

import numpy as np

from tunix_ml.contracts.benchmark import BenchmarkConfig, BenchmarkLayout
from tunix_ml.exports.packing import Placement, one_per_row, pack_best_fit
from tunix_ml.training.data import Batch, TokenRows

_SHORTEST, _LONGEST = 20, 200
_BATCHES = 8
_PROMPT_SHARE = 3
_SEED = 0


class Workload(NamedTuple):
    """Batches of (batch_size, seq_len) tokens, to be read in turn, and the examples in all of them."""

    batches: list[Batch]
    num_examples: int

    @property
    def examples_per_step(self) -> float:
        """Examples that a step reads, on average."""
        return self.num_examples / len(self.batches)

    @property
    def real_share(self) -> float:
        """Share of the tokens that is not padding."""
        return float(np.mean([np.mean(batch.segment_ids > 0) for batch in self.batches]))


def make_workload(config: BenchmarkConfig, *, vocab_size: int, layout: BenchmarkLayout) -> Workload:
    """Return the batches of a layout; their examples are of one distribution, whether packed or padded."""
    rng = np.random.default_rng(_SEED)
    capacity = config.seq_len + 1  # a row's last token is a target alone
    num_rows = config.batch_size * _BATCHES
    rows = TokenRows(*(np.zeros((num_rows, capacity), np.int32) for _ in range(4)))
    examples = _place(layout, rng, num_rows=num_rows, capacity=capacity)
    numbers = np.zeros(num_rows, np.int32)
    for length, (row, start) in examples:
        numbers[row] += 1
        cells = (row, slice(start, start + length))
        rows.input_ids[cells] = rng.integers(1, vocab_size, length)
        rows.loss_mask[cells] = np.arange(length) >= length // _PROMPT_SHARE
        rows.segment_ids[cells] = numbers[row]
        rows.positions[cells] = np.arange(length)
    batches = rng.permutation(num_rows).reshape(_BATCHES, config.batch_size)
    return Workload([rows.batch(indices) for indices in batches], len(examples))


def make_prompts(config: BenchmarkConfig, *, vocab_size: int) -> list[list[int]]:
    """Return prompts of one length."""
    rng = np.random.default_rng(_SEED)
    prompts: list[list[int]] = rng.integers(1, vocab_size, (config.num_prompts, config.prompt_len)).tolist()
    return prompts


def _place(
    layout: BenchmarkLayout, rng: np.random.Generator, *, num_rows: int, capacity: int
) -> list[tuple[int, Placement]]:
    """Return lengths of examples that fill the rows, and where each stands."""
    shortest, longest = (capacity, capacity) if layout == "full" else _lengths(capacity)
    place = pack_best_fit if layout == "packed" else one_per_row
    num_examples = num_rows
    while True:
        lengths = rng.integers(shortest, longest + 1, num_examples).tolist()
        placements = place(lengths, capacity=capacity)
        if max(placement.row for placement in placements) >= num_rows - 1:
            break
        num_examples += num_rows // 4 + 1
    return [pair for pair in zip(lengths, placements, strict=True) if pair[1].row < num_rows]


def _lengths(capacity: int) -> tuple[int, int]:
    return min(_SHORTEST, capacity), min(_LONGEST, capacity)
