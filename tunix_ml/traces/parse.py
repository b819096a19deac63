"""A chunk of lines to traces and rejects: all at once where all is well, line by line where it is not."""

from typing import NamedTuple

from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import Trace
from tunix_ml.traces.canonical_rows import CanonicalRows, decode_rows, to_canonical
from tunix_ml.traces.chunks import Chunk, LongChunk
from tunix_ml.traces.decode import LineError, decode_record
from tunix_ml.traces.lines import MAX_LINE_BYTES, Line, LongLine
from tunix_ml.traces.mapping import to_trace
from tunix_ml.traces.rejects import reject_line, reject_long_line


class ParsedChunk(NamedTuple):
    """The valid traces of a chunk, the line of each, and the rejects; both in the order of the lines."""

    rows: CanonicalRows
    lines: list[int]
    rejects: list[Reject]


def parse_chunk(chunk: Chunk | LongChunk, source: JsonlSource) -> ParsedChunk:
    """Return a trace or a reject for each line that is not blank; equal traces are both kept."""
    parsed = ParsedChunk(CanonicalRows([], [], []), [], [])
    if isinstance(chunk, Chunk) and source.format == "trace" and not _has_long_line(chunk.content):
        rows = decode_rows(chunk.content.removesuffix(b"\n"))
        if rows is not None:
            return ParsedChunk(rows, list(range(chunk.number, chunk.number + len(rows.traces))), [])
    lines: list[Line] = []
    for line in chunk.lines():
        if isinstance(line, LongLine):
            parsed.rejects.append(reject_long_line(line, chunk.source))
        elif line.content and not line.content.isspace():
            lines.append(line)
    _parse_lines(lines, source, chunk.source, parsed)
    parsed.rejects.sort(key=lambda reject: reject.line)
    return parsed


def read_trace(line: Line, source: JsonlSource) -> Trace:
    """Return the trace that one line holds.

    Raises:
        LineError: it holds none.
    """
    return to_trace(decode_record(line.content, is_terminated=line.is_terminated), source)


def _has_long_line(content: bytes) -> bool:
    start = 0
    while len(content) - start > MAX_LINE_BYTES:
        start = content.rfind(b"\n", start, start + MAX_LINE_BYTES + 1) + 1
        if start == 0:
            return True
    return False


def _parse_lines(lines: list[Line], source: JsonlSource, name: str, parsed: ParsedChunk) -> None:
    """Halve the lines until the unusual ones stand alone."""
    rows = None
    if lines and source.format == "trace":
        rows = decode_rows(b"\n".join(line.content for line in lines))
    if rows is not None:
        _extend(parsed, rows, [line.number for line in lines])
    elif len(lines) <= 1 or source.format != "trace":
        for line in lines:
            _parse_line(line, source, name, parsed)
    else:
        middle = len(lines) // 2
        _parse_lines(lines[:middle], source, name, parsed)
        _parse_lines(lines[middle:], source, name, parsed)


def _parse_line(line: Line, source: JsonlSource, name: str, parsed: ParsedChunk) -> None:
    try:
        trace = read_trace(line, source)
    except LineError as error:
        parsed.rejects.append(reject_line(line, name, error))
        return
    meta = None if trace.meta is None else canonical_json(trace.meta)
    rows = CanonicalRows([to_canonical(trace)], [canonical_json(trace.record())], [meta])
    _extend(parsed, rows, [line.number])


def _extend(parsed: ParsedChunk, rows: CanonicalRows, lines: list[int]) -> None:
    parsed.rows.traces.extend(rows.traces)
    parsed.rows.canonical.extend(rows.canonical)
    parsed.rows.metas.extend(rows.metas)
    parsed.lines.extend(lines)
