from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.tokens import TOKENS_SCHEMA
from tunix_ml.store import Store
from tunix_ml.training.data import TokenRows, in_order, indices_of_step, read_rows

ROW: dict[str, Any] = {
    "split": "train",
    "input_ids": [5, 6, 7, 8, 9, 0],
    "loss_mask": [0, 1, 1, 1, 1, 0],
    "segment_ids": [1, 1, 1, 2, 2, 0],
    "positions": [0, 1, 2, 0, 1, 0],
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_rows(*rows: dict[str, Any]) -> Path:
        table = TOKENS_SCHEMA.table(list(rows))
        pq.write_table(table, tmp_path / "tokens.parquet", write_page_checksum=True)
        return tmp_path / "tokens.parquet"

    return write_rows


@pytest.fixture
def rows(write: Callable[..., Path]) -> TokenRows:
    path = write(*({**ROW, "input_ids": [i, *ROW["input_ids"][1:]]} for i in range(3)))
    return read_rows(path, "train", seq_len=6)


def test_a_target_is_supervised_inside_its_own_example_only(rows: TokenRows) -> None:
    batch = rows.batch(np.array([1]))

    np.testing.assert_array_equal(batch.inputs, [[1, 6, 7, 8, 9]])
    np.testing.assert_array_equal(batch.targets, [[6, 7, 8, 9, 0]])
    np.testing.assert_array_equal(batch.weights, [[1, 1, 0, 1, 0]])
    np.testing.assert_array_equal(batch.segment_ids, [[1, 1, 1, 2, 2]])
    np.testing.assert_array_equal(batch.positions, [[0, 1, 2, 0, 1]])


def test_tokens_are_counted_without_padding(rows: TokenRows) -> None:
    assert rows.tokens_per_row.tolist() == [5, 5, 5]


def test_real_tokens_are_read_split_by_split(sums: Store) -> None:
    path = sums.slot("tokenized_examples", "sums-v1").resolve().file("tokens.parquet")
    table = pq.read_table(path)

    rows = [read_rows(path, split, seq_len=256) for split in ("train", "validation")]

    ids = np.concatenate([split.input_ids for split in rows])
    assert ids.tolist() == table["input_ids"].to_pylist()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "split": "validation"}, "split 'train' of .* has no row"),
        ({**ROW, "input_ids": [5]}, "column 'input_ids' .* is not 6 tokens long"),
        ({**ROW, "loss_mask": [1, 0, 0, 0, 0, 0]}, "row 0 of split 'train' .* has no supervised token"),
    ],
)
def test_unfit_rows_are_refused(write: Callable[..., Path], row: dict[str, Any], message: str) -> None:
    path = write(row)

    with pytest.raises(ContractError, match=message):
        read_rows(path, "train", seq_len=6)


def test_the_rows_of_a_step_depend_on_seed_and_step_alone() -> None:
    forwards = [indices_of_step(step, num_rows=10, batch_size=4, seed=7).tolist() for step in range(9)]
    backwards = [
        indices_of_step(step, num_rows=10, batch_size=4, seed=7).tolist() for step in range(8, -1, -1)
    ]

    assert forwards == backwards[::-1]


def test_every_epoch_reads_every_row_once_in_another_order() -> None:
    flat = [int(i) for step in range(5) for i in indices_of_step(step, num_rows=10, batch_size=4, seed=7)]

    first, second = flat[:10], flat[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_another_seed_gives_another_order() -> None:
    one, other = (indices_of_step(0, num_rows=50, batch_size=50, seed=seed).tolist() for seed in (0, 1))

    assert one != other


def test_the_order_is_the_same_in_every_release() -> None:
    assert indices_of_step(0, num_rows=6, batch_size=6, seed=0).tolist() == [3, 2, 1, 0, 4, 5]


def test_a_batch_may_be_larger_than_the_split() -> None:
    indices = indices_of_step(0, num_rows=3, batch_size=7, seed=0)

    assert sorted(indices[:3].tolist()) == sorted(indices[3:6].tolist()) == [0, 1, 2]


def test_the_last_batch_in_order_is_filled_with_unsupervised_rows(rows: TokenRows) -> None:
    first, last = in_order(rows, batch_size=2)

    assert first.inputs[:, 0].tolist() == [0, 1]
    assert last.inputs[0, 0] == 2
    assert last.inputs.shape == first.inputs.shape
    assert last.weights.sum(axis=1).tolist() == [3, 0]
