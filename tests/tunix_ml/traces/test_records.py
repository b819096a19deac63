import gzip
from pathlib import Path

import pytest

from tunix_ml.traces.decode import LineError
from tunix_ml.traces.lines import MAX_LINE_BYTES, SourceError
from tunix_ml.traces.records import read_records


def test_lines_are_records_and_blank_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n')

    assert list(read_records(path)) == [(1, "line 1", {"a": 1}), (3, "line 3", {"a": 2})]


def test_lines_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))

    assert [found.record for found in read_records(path)] == [{"a": 1}]


def test_an_array_is_read_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n {"a": 1},\n {"a": [2]}\n]')

    assert list(read_records(path)) == [(1, "record 1", {"a": 1}), (2, "record 2", {"a": [2]})]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "[1]\n", "expected an object"),
        ("a.jsonl", '{"a": NaN}\n', "JSON"),
        ("a.json", "[1]", "expected an object"),
        ("a.jsonl", '{"a": "' + "x" * MAX_LINE_BYTES + '"}\n', "bytes, expected at most"),
    ],
)
def test_what_is_no_record_says_why_and_stops_no_other(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)

    (found,) = read_records(tmp_path / name)

    assert isinstance(found.record, LineError)
    assert message in found.record.message


def test_an_array_is_read_as_strictly_as_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf[{"a": 1, "a": 2}, {"b": 1}]')

    first, second = read_records(tmp_path / "a.json")

    assert isinstance(first.record, LineError)
    assert first.record.code == "duplicate_key"
    assert second.record == {"b": 1}


def test_a_json_file_may_hold_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}\n{"a": 2}\n')

    assert [found.place for found in read_records(tmp_path / "a.json")] == ["line 1", "line 2"]


@pytest.mark.parametrize("text", ["[1, ", "[" * 100_000])
def test_an_array_that_does_not_end_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)

    with pytest.raises(SourceError, match=r"a\.json is no JSON array of records"):
        list(read_records(path))
