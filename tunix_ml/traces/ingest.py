"""From JSONL files to traces: each line becomes one trace or one reject, and none is lost."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.canonical import file_sha256, sha256_hex
from tunix_ml.contracts.manifest import SourceFile
from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import Trace
from tunix_ml.traces.decode import LineError, decode_record
from tunix_ml.traces.excerpts import excerpt, printable
from tunix_ml.traces.lines import MAX_LINE_BYTES, Line, LongLine, read_lines
from tunix_ml.traces.mapping import to_trace
from tunix_ml.traces.sources import source_files

_MESSAGE_CHARACTERS = 600


class Ingested(NamedTuple):
    """A trace, its identity and the line it came from."""

    trace: Trace
    trace_id: str
    source: str
    line: int


class _Place(NamedTuple):
    source: str
    line: int


def ingest(source: JsonlSource, *, base_dir: Path) -> Iterator[Ingested | Reject]:
    """Yield, in the order of the files and lines, a trace or a reject for each line that is not blank.

    Of traces with the same content the first is kept. Memory grows with the number of traces only by
    their identities.

    Raises:
        SourceError: at once if the files cannot be found, or on the way if one cannot be read to its end.
    """
    return _ingest(source, source_files(source, base_dir=base_dir))


def describe_sources(
    source: JsonlSource, *, base_dir: Path, num_records: Mapping[str, int]
) -> tuple[SourceFile, ...]:
    """Return the manifest's entries of a source; `num_records` by file name is what its ingest yielded."""
    return tuple(
        SourceFile(
            name=file.name,
            sha256=file_sha256(file),
            num_bytes=file.stat().st_size,
            num_records=num_records.get(file.name, 0),
        )
        for file in source_files(source, base_dir=base_dir)
    )


def read_trace(line: Line, source: JsonlSource) -> Trace:
    """Return the trace that one line holds.

    Raises:
        LineError: it holds none.
    """
    return to_trace(decode_record(line.content, is_terminated=line.is_terminated), source)


def duplicate_error(*, line: int, source: str) -> LineError:
    """Return what is wrong with a line whose content stands at an earlier place."""
    return LineError("duplicate_trace", f"the same content as line {line} of {source}")


def reject_line(line: Line, source: str, error: LineError) -> Reject:
    """Return the reject of one line."""
    return Reject(
        source=source,
        line=line.number,
        byte_offset=line.byte_offset,
        code=error.code,
        message=printable(error.message[:_MESSAGE_CHARACTERS]),
        sha256=sha256_hex(line.content),
        excerpt=excerpt(line.content),
    )


def reject_long_line(line: LongLine, source: str) -> Reject:
    """Return the reject of a line that is longer than a line may be."""
    return Reject(
        source=source,
        line=line.number,
        byte_offset=line.byte_offset,
        code="line_too_long",
        message=f"the line has {line.num_bytes} bytes, expected at most {MAX_LINE_BYTES}",
        sha256=line.sha256,
        excerpt=excerpt(line.start),
    )


def _ingest(source: JsonlSource, files: tuple[Path, ...]) -> Iterator[Ingested | Reject]:
    first_places: dict[bytes, _Place] = {}
    for file in files:
        for line in read_lines(file):
            if isinstance(line, LongLine):
                yield reject_long_line(line, file.name)
            elif line.content and not line.content.isspace():
                yield _ingest_line(line, source, _Place(file.name, line.number), first_places)


def _ingest_line(
    line: Line, source: JsonlSource, place: _Place, first_places: dict[bytes, _Place]
) -> Ingested | Reject:
    try:
        trace = read_trace(line, source)
        trace_id = trace.trace_id()
        first = first_places.setdefault(bytes.fromhex(trace_id), place)
        if first is not place:
            raise duplicate_error(line=first.line, source=first.source)
    except LineError as error:
        return reject_line(line, place.source, error)
    return Ingested(trace, trace_id, *place)
