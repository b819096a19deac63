import json
import random
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import Trace
from tunix_ml.traces.canonical_rows import from_canonical
from tunix_ml.traces.chunks import read_chunks
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.lines import MAX_LINE_BYTES, Line, LongLine, read_lines
from tunix_ml.traces.parse import parse_chunk, read_trace
from tunix_ml.traces.rejects import reject_line, reject_long_line

STEP = {"i": 0, "type": "t", "content": "c"}


def good(number: int, **changes: Any) -> bytes:
    record = {"trace_version": "1.0", "prompt": f"Q{number}", "final_answer": "A", "steps": [STEP]}
    return json.dumps({**record, "meta": {"n": number}, **changes}).encode()


BAD = [
    b'{"prompt": "\xff"}',
    b'{"prompt": NaN}',
    b'{"prompt": "a", "prompt": "b"}',
    b'{"prompt": "a"}',
    b'{"prompt": "' + b"x" * (MAX_LINE_BYTES + 5) + b'"}',
    b"[" * 100_000,
    b"{'prompt': 1}",
    b'{"prompt": "\\u0000"}',
    b"   ",
    b"",
    good(1)[:-5],
    good(2, prompt=" "),
    good(3, meta={"a": 1.5, "é": 1}),
    good(4, prompt="\u00e9\u201c"),
    good(5) + b"\r",
    good(6) + good(7),
]


def both_ways(path: Path, source: JsonlSource, chunk_bytes: int) -> tuple[list[Any], list[Any]]:
    """Return what chunks give, and what every line by itself gives, each with its line and in their order."""
    found: list[tuple[int, Any]] = []
    for chunk in read_chunks(path, chunk_bytes=chunk_bytes):
        parsed = parse_chunk(chunk, source)
        assert parsed.lines == sorted(parsed.lines)
        found += zip(parsed.lines, map(from_canonical, parsed.rows.traces), strict=True)
        found += [(reject.line, reject) for reject in parsed.rejects]
    lines = [line for line in read_lines(path) if isinstance(line, LongLine) or line.content.strip()]
    expected = [(line.number, by_itself(line, source, path.name)) for line in lines]
    return sorted(found, key=lambda pair: pair[0]), expected


def by_itself(line: Line | LongLine, source: JsonlSource, name: str) -> Trace | Reject:
    if isinstance(line, LongLine):
        return reject_long_line(line, name)
    try:
        return read_trace(line, source)
    except LineError as error:
        return reject_line(line, name, error)


@pytest.mark.parametrize("chunk_bytes", [100, 10_000, 1 << 18, 8 << 20])
@pytest.mark.parametrize("seed", range(3))
def test_chunks_give_what_every_line_by_itself_gives(tmp_path: Path, chunk_bytes: int, seed: int) -> None:
    lines = [good(number) for number in range(10, 200)] + BAD
    random.Random(seed).shuffle(lines)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))

    found, expected = both_ways(tmp_path / "a.jsonl", JsonlSource(kind="jsonl", path="a.jsonl"), chunk_bytes)

    assert found == expected
    assert len(found) == 190 + len(BAD) - 2


def test_other_formats_are_read_line_by_line(tmp_path: Path) -> None:
    mapping = {
        "prompt": {"field": "q"},
        "final_answer": {"field": "a"},
        "steps": {"field": "s", "split": ";"},
        "meta": ["q"],
    }
    source = JsonlSource.model_validate(
        {"kind": "jsonl", "path": "a.jsonl", "format": "mapped", "mapping": mapping}
    )
    (tmp_path / "a.jsonl").write_bytes(b'{"q": "Q", "a": "A", "s": "one; two"}\n{"q": "Q"}\n')

    found, expected = both_ways(tmp_path / "a.jsonl", source, 1 << 18)

    assert found == expected
    assert [type(record) for _, record in found] == [Trace, Reject]
