from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.parquet import count_rows, read_table, write_batches, write_table

TABLE = pa.table({"a": list(range(1_000)), "b": ["text"] * 1_000})


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "a.parquet")

    assert read_table(tmp_path / "a.parquet").equals(TABLE)
    assert count_rows(tmp_path / "a.parquet") == 1_000


def test_batches_stand_in_their_order(tmp_path: Path) -> None:
    write_batches(iter([TABLE.slice(0, 10), TABLE.slice(10, 5)]), tmp_path / "a.parquet", schema=TABLE.schema)

    assert read_table(tmp_path / "a.parquet").equals(TABLE.slice(0, 15))


def test_no_batch_gives_a_table_without_rows(tmp_path: Path) -> None:
    write_batches([], tmp_path / "a.parquet", schema=TABLE.schema)

    assert read_table(tmp_path / "a.parquet").equals(TABLE.slice(0, 0))
    assert count_rows(tmp_path / "a.parquet") == 0


def test_a_page_that_was_changed_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(TABLE, path)
    first_column = pq.read_metadata(path).row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[first_column.dictionary_page_offset + first_column.total_compressed_size - 1] ^= 1
    path.write_bytes(data)

    with pytest.raises(OSError, match="CRC"):
        read_table(path)
