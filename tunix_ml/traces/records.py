"""The records of a small foreign file: lines of JSONL, plain or gzip, or one JSON array in a `.json` file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tunix_ml.traces.arrays import array_lines, is_array
from tunix_ml.traces.decode import LineError, decode_record
from tunix_ml.traces.lines import MAX_LINE_BYTES, Line, LongLine, read_lines


class Numbered(NamedTuple):
    """One record, or why it is none, and where it stands: `line 3`, or `record 3` of an array."""

    number: int
    place: str
    record: dict[str, Any] | LineError


def read_records(path: Path) -> Iterator[Numbered]:
    """Yield the records of a file, in order; blank lines are none.

    Raises:
        SourceError: the file cannot be read to its end, or what begins as an array is none.
    """
    if is_array(path):
        for number, element in enumerate(array_lines(path).splitlines(), start=1):
            yield Numbered(number, f"record {number}", _decoded(element))
        return
    for line in read_lines(path):
        if isinstance(line, Line) and not line.content.strip():
            continue
        yield Numbered(line.number, f"line {line.number}", _of_line(line))


def _of_line(line: Line | LongLine) -> dict[str, Any] | LineError:
    if isinstance(line, LongLine):
        message = f"the line has {line.num_bytes} bytes, expected at most {MAX_LINE_BYTES}"
        return LineError("line_too_long", message)
    return _decoded(line.content, is_terminated=line.is_terminated)


def _decoded(content: bytes, *, is_terminated: bool = True) -> dict[str, Any] | LineError:
    try:
        return decode_record(content, is_terminated=is_terminated)
    except LineError as error:
        return error
