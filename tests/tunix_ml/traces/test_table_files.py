from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.table_files import column_names, read_records

TABLE = pa.table({"n": list(range(600)), "text": [f"row {n}" for n in range(600)]})


@pytest.fixture(params=["parquet", "arrow"])
def path(request, tmp_path):
    path = tmp_path / f"rows.{request.param}"
    if request.param == "parquet":
        pq.write_table(TABLE, path, row_group_size=100, write_page_checksum=True)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=400)
    return path


def test_all_rows_come_in_their_order(path):
    assert list(read_records(path, columns=None)) == TABLE.to_pylist()


def test_only_the_columns_asked_for_are_read(path):
    records = list(read_records(path, columns=["text", "absent"]))

    assert records[599] == {"text": "row 599"}
    assert column_names(path) == ["n", "text"]


def test_a_damaged_file_is_an_error_and_not_fewer_rows(path):
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])

    with pytest.raises(SourceError, match=r"rows\.\w+ cannot be read"):
        list(read_records(path, columns=None))


def test_a_flipped_bit_under_a_checksum_is_an_error(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(TABLE, path, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[data.index(b"row 300")] ^= 1
    path.write_bytes(data)

    with pytest.raises(SourceError, match="cannot be read beyond row"):
        list(read_records(path, columns=None))


def test_what_is_no_table_is_an_error(tmp_path):
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_text("no table")
        with pytest.raises(SourceError, match="cannot be read as"):
            column_names(tmp_path / name)


def test_a_map_becomes_an_object_and_a_time_stays_a_time(tmp_path):
    when = datetime(2026, 1, 2, tzinfo=UTC)
    schema = pa.schema({"m": pa.map_(pa.string(), pa.int64()), "t": pa.timestamp("us", "UTC")})
    pq.write_table(pa.table({"m": [[("a", 1)]], "t": [when]}, schema=schema), tmp_path / "a.parquet")

    assert list(read_records(tmp_path / "a.parquet", columns=None)) == [{"m": {"a": 1}, "t": when}]


def test_a_map_with_a_key_twice_is_an_error(tmp_path):
    schema = pa.schema({"m": pa.map_(pa.string(), pa.int64())})
    pq.write_table(pa.table({"m": [[("a", 1), ("a", 2)]]}, schema=schema), tmp_path / "a.parquet")

    with pytest.raises(SourceError, match="cannot be read beyond row 0"):
        list(read_records(tmp_path / "a.parquet", columns=None))
