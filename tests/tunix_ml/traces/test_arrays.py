import gzip
import json
from pathlib import Path

import pytest

from tunix_ml.traces import arrays
from tunix_ml.traces.arrays import array_lines, is_array
from tunix_ml.traces.lines import SourceError


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.json", b"\n [1]", True),
        ("a.json", b"\xef\xbb\xbf[", True),
        ("a.json.gz", gzip.compress(b"[]", mtime=0), True),
        ("a.json", b'{"a": 1}\n', False),
        ("a.json", b"", False),
        ("a.json.gz", b"no gzip", False),
        ("a.jsonl", b"[1]", False),
    ],
)
def test_an_array_is_told_by_its_name_and_its_first_character(
    tmp_path: Path, name: str, data: bytes, expected: bool
) -> None:
    assert is_array(write(tmp_path / name, data)) is expected


def test_what_is_not_there_is_no_array(tmp_path: Path) -> None:
    assert not is_array(tmp_path / "none.json")


def test_each_element_has_a_line_of_its_own_however_it_is_laid_out(tmp_path: Path) -> None:
    records = [{"a": "one\ntwo", "b": [1, 2.50]}, {"é": "\u2028"}, 3]
    path = write(tmp_path / "a.json", json.dumps(records, indent=2).replace("\n", "\r\n").encode())

    lines = array_lines(path).split(b"\n")

    assert list(map(json.loads, lines)) == records
    assert b"2.5" in lines[0]


def test_an_empty_array_has_no_lines(tmp_path: Path) -> None:
    assert array_lines(write(tmp_path / "a.json", b"[]")) == b""


@pytest.mark.parametrize("data", [b"[1, ", b"[" * 100_000, b'[{"a": 1}] x', b"[\xff"])
def test_what_begins_as_an_array_and_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SourceError, match=r"a\.json is no JSON array of records"):
        array_lines(write(tmp_path / "a.json", data))


def test_an_array_beyond_all_bounds_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_MAX_BYTES", 4)

    with pytest.raises(SourceError, match="more than 4 bytes: make an array so large JSONL"):
        array_lines(write(tmp_path / "a.json", b"[{}, {}]"))
