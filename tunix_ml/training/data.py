"""Rows of tokens as arrays, and the batches of a run: a pure function of (seed, step)."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunix_ml.contracts.base import ContractError


class Batch(NamedTuple):
    """What a step reads; every array has shape (batch, seq_len - 1).

    Attributes:
        inputs: token ids read.
        targets: token ids to be predicted, one further on.
        weights: 1.0 where the target is supervised, else 0.0.
        segment_ids: example of each input, 0 for padding.
        positions: position of each input within its example.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    segment_ids: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class TokenRows:
    """One split of the tokens table; every array has shape (rows, seq_len)."""

    input_ids: np.ndarray
    loss_mask: np.ndarray
    segment_ids: np.ndarray
    positions: np.ndarray

    @property
    def num_rows(self) -> int:
        """Rows of the split."""
        return int(self.input_ids.shape[0])

    @functools.cached_property
    def tokens_per_row(self) -> np.ndarray:
        """Tokens of each row, padding left out."""
        counts: np.ndarray = np.count_nonzero(self.segment_ids, axis=1)
        return counts

    @functools.cached_property
    def examples_per_row(self) -> np.ndarray:
        """Examples in each row; they are numbered from 1 within it."""
        counts: np.ndarray = self.segment_ids.max(axis=1)
        return counts

    def batch(self, indices: np.ndarray) -> Batch:
        """Return some rows as a batch.

        A target is supervised if its own loss mask says so and the token before it is of the same example:
        the first token of an example is never predicted from another one.
        """
        segments = self.segment_ids[indices]
        supervised = (self.loss_mask[indices, 1:] == 1) & (segments[:, 1:] == segments[:, :-1])
        return Batch(
            inputs=self.input_ids[indices, :-1],
            targets=self.input_ids[indices, 1:],
            weights=supervised.astype(np.float32),
            segment_ids=segments[:, :-1],
            positions=self.positions[indices, :-1],
        )


def read_rows(path: Path, split: str, *, seq_len: int) -> TokenRows:
    """Read one split of `tokens.parquet`.

    Raises:
        ContractError: the split has no row, or a row of another length, or a row that teaches nothing.
    """
    table = pq.read_table(path, page_checksum_verification=True)
    table = table.filter(pc.equal(table["split"], split))
    if table.num_rows == 0:
        raise ContractError(f"split {split!r} of {path} has no row: give the dataset more traces of it")
    rows = TokenRows(
        *(
            _cells(table, name, seq_len, path)
            for name in ("input_ids", "loss_mask", "segment_ids", "positions")
        )
    )
    idle = np.flatnonzero(rows.batch(np.arange(rows.num_rows)).weights.sum(axis=1) == 0)
    if idle.size:
        raise ContractError(f"row {idle[0]} of split {split!r} of {path} has no supervised token")
    return rows


def indices_of_step(step: int, *, num_rows: int, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows of a step, counted from 0: the epochs' permutations read on without a gap."""
    flat = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs, offsets = np.divmod(flat, num_rows)
    return np.array(
        [
            _permutation(num_rows, seed, int(epoch))[offset]
            for epoch, offset in zip(epochs, offsets, strict=True)
        ]
    )


def in_order(rows: TokenRows, *, batch_size: int) -> Iterator[Batch]:
    """Yield the whole split in batches of one size; the last is filled up with unsupervised rows."""
    for start in range(0, rows.num_rows, batch_size):
        indices = np.arange(start, start + batch_size)
        batch = rows.batch(np.minimum(indices, rows.num_rows - 1))
        is_real = (indices < rows.num_rows).astype(np.float32)
        yield batch._replace(weights=batch.weights * is_real[:, None])


@functools.lru_cache(maxsize=2)
def _permutation(num_rows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the row order of an epoch.

    NumPy promises its raw bit streams for ever, but not what its generators make of them.
    """
    bits = np.random.PCG64(np.random.SeedSequence([seed, epoch])).random_raw(num_rows)
    return np.argsort(bits, kind="stable")


def _cells(table: pa.Table, name: str, seq_len: int, path: Path) -> np.ndarray:
    column = table[name].combine_chunks()
    if pc.any(pc.not_equal(pc.list_value_length(column), seq_len)).as_py():
        raise ContractError(f"column {name!r} of {path} has a row that is not {seq_len} tokens long")
    values: np.ndarray = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, seq_len)
    return values.astype(np.int32)
