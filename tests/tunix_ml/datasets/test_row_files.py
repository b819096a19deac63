from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.table import Column, TableSchema
from tunix_ml.datasets.row_files import RowFile
from tunix_ml.parquet import read_table

SCHEMA = TableSchema([Column("n", "int64", "a number")])


@pytest.mark.parametrize("group_rows", [1, 4, 100])
def test_rows_are_in_the_file_in_their_order_and_in_groups(tmp_path: Path, group_rows: int) -> None:
    path = tmp_path / "rows.parquet"

    with RowFile(path, SCHEMA, group_rows=group_rows) as rows:
        for start in range(0, 12, 2):
            rows.append({"n": n} for n in (start, start + 1))

    assert rows.num_rows == 12
    assert read_table(path)["n"].to_pylist() == list(range(12))
    assert pq.read_metadata(path).num_row_groups == {1: 6, 4: 3, 100: 1}[group_rows]


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    with RowFile(tmp_path / "rows.parquet", SCHEMA) as rows:
        rows.append([])

    assert pq.read_schema(tmp_path / "rows.parquet").equals(SCHEMA.arrow())


def test_what_is_left_is_not_written_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with RowFile(tmp_path / "rows.parquet", SCHEMA) as rows:
            rows.append([{"n": 1}])
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fail()

    assert pq.read_metadata(tmp_path / "rows.parquet").num_rows == 0
