"""From JSONL files to traces: each line becomes one trace or one reject, and none is lost."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.canonical import file_sha256, sha256_hex
from tunix_ml.contracts.manifest import SourceFile
from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import TRACE_ID_LENGTH, Trace
from tunix_ml.traces.canonical_rows import from_canonical
from tunix_ml.traces.chunks import Chunk, LongChunk, read_chunks
from tunix_ml.traces.parse import ParsedChunk, parse_chunk
from tunix_ml.traces.rejects import duplicate_error, reject_line
from tunix_ml.traces.sources import source_files


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


def _ingest(source: JsonlSource, files: tuple[Path, ...]) -> Iterator[Ingested | Reject]:
    first_places: dict[bytes, _Place] = {}
    for chunk in itertools.chain.from_iterable(map(read_chunks, files)):
        parsed = parse_chunk(chunk, source)
        found = [*parsed.rejects, *_first_of_their_content(chunk, parsed, first_places)]
        yield from sorted(found, key=lambda record: record.line)


def _first_of_their_content(
    chunk: Chunk | LongChunk, parsed: ParsedChunk, first_places: dict[bytes, _Place]
) -> Iterator[Ingested | Reject]:
    repeated: dict[int, _Place] = {}
    for trace, canonical, number in zip(parsed.rows.traces, parsed.rows.canonical, parsed.lines, strict=True):
        place = _Place(chunk.source, number)
        trace_id = sha256_hex(canonical)[:TRACE_ID_LENGTH]
        first = first_places.setdefault(bytes.fromhex(trace_id), place)
        if first is place:
            yield Ingested(from_canonical(trace), trace_id, *place)
        else:
            repeated[number] = first
    lines = chunk.numbered_lines() if repeated else {}
    for number, first in repeated.items():
        yield reject_line(lines[number], chunk.source, duplicate_error(line=first.line, source=first.source))
