from pathlib import Path

import msgspec
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.json_lines import read_json_lines


class Line(msgspec.Struct, frozen=True):
    number: int = 0
    name: str = ""


def test_lines_come_back_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_bytes(b'{"number":2}\n{"number":1}\n')

    assert read_json_lines(tmp_path / "lines.jsonl", Line, subject="lines") == [Line(2), Line(1)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"number":2}\n{"numb', "lines of x breaks its contract"),
        (b'{"number":"2"}', "Expected `int`, got `str`"),
        (b'{"name":"\xff"}', "lines of x breaks its contract"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "lines.jsonl").write_bytes(content)

    with pytest.raises(ContractError, match=message):
        read_json_lines(tmp_path / "lines.jsonl", Line, subject="lines of x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"lines of x cannot be read: .*No such file"):
        read_json_lines(tmp_path / "lines.jsonl", Line, subject="lines of x")
