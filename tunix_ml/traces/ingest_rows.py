"""From the rows of tables to traces: each row becomes one trace or one reject, as each line of JSONL does."""

import base64
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunix_ml.contracts.canonical import file_sha256, sha256_hex
from tunix_ml.contracts.manifest import SourceFile
from tunix_ml.contracts.recipe import HuggingFaceSource, JsonlSource, ParquetSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import TRACES_SCHEMA
from tunix_ml.traces.decode import MAX_DEPTH, LineError, decode_record
from tunix_ml.traces.excerpts import excerpt, printable
from tunix_ml.traces.globs import NamedFile, named_files
from tunix_ml.traces.huggingface import folder_files
from tunix_ml.traces.ingest import Ingested
from tunix_ml.traces.lines import MAX_LINE_BYTES, SourceError
from tunix_ml.traces.mapping import to_trace
from tunix_ml.traces.sources import expand
from tunix_ml.traces.table_files import PARQUET_SUFFIXES, Record, column_names, read_records

TableSource = ParquetSource | HuggingFaceSource
# What a reject says of a row, which has no place in bytes.
NO_OFFSET = -1
_PLAIN = frozenset((str, int, bool, type(None)))
_MESSAGE_CHARACTERS = 600
_TRACE_FIELDS = ("trace_version", "prompt", "final_answer", "steps", "meta")
_OWN_COLUMNS = frozenset(TRACES_SCHEMA.names) - {"split"}


class _Place(NamedTuple):
    source: str
    row: int


def ingest_rows(source: TableSource, *, base_dir: Path) -> Iterator[Ingested | Reject]:
    """Yield, in the order of the files and rows, a trace or a reject for each row.

    Of traces with the same content the first is kept. Memory grows with the number of traces only by
    their identities.

    Raises:
        SourceError: at once if the files cannot be found or lack a column that the mapping names, or on the
            way if one cannot be read to its end.
    """
    files = table_files(source, base_dir=base_dir)
    columns = _columns(source)
    for file in files:
        _refuse_missing(columns, file)
    return _ingest(source, files, columns)


def describe_tables(
    source: TableSource, *, base_dir: Path, num_records: Mapping[str, int]
) -> tuple[SourceFile, ...]:
    """Return the manifest's entries of a source; `num_records` by file name is what its ingest yielded."""
    return tuple(
        SourceFile(
            name=file.name,
            sha256=file_sha256(file.path),
            num_bytes=file.path.stat().st_size,
            num_records=num_records.get(file.name, 0),
        )
        for file in table_files(source, base_dir=base_dir)
    )


def table_files(source: TableSource, *, base_dir: Path) -> tuple[NamedFile, ...]:
    """Return the files of a source.

    Raises:
        SourceError: there are none.
    """
    if isinstance(source, HuggingFaceSource):
        return folder_files(source, base_dir=base_dir)
    return named_files(expand(source.path), base_dir=base_dir, suffixes=PARQUET_SUFFIXES)


def _columns(source: TableSource) -> list[str] | None:
    """Return the columns that a mapping reads, None for those of whole records."""
    mapping = source.mapping
    if mapping is None:
        return None
    texts = (mapping.prompt, mapping.final_answer, mapping.steps)
    paths = [*(path for text in texts for path in text.paths()), *mapping.meta]
    return list(dict.fromkeys(path.partition(".")[0] for path in paths))


def _refuse_missing(columns: list[str] | None, file: NamedFile) -> None:
    names = column_names(file.path)
    missing = [name for name in columns or () if name not in names]
    if missing:
        raise SourceError(
            f"{file.path} has no column {', '.join(map(repr, missing))}: its columns are {', '.join(names)}"
        )


def _ingest(
    source: TableSource, files: tuple[NamedFile, ...], columns: list[str] | None
) -> Iterator[Ingested | Reject]:
    lines = JsonlSource(kind="jsonl", path=source.path, format=source.format, mapping=source.mapping)
    first_places: dict[bytes, _Place] = {}
    for file in files:
        for row, record in enumerate(read_records(file.path, columns=columns), start=1):
            yield _ingest_row(record, lines, _Place(file.name, row), first_places)


def _ingest_row(
    record: Record, lines: JsonlSource, place: _Place, first_places: dict[bytes, _Place]
) -> Ingested | Reject:
    content = b""
    try:
        content = msgspec.json.encode(_plain(record, depth=0))
        trace = to_trace(_of_own_table(_decode(content)), lines)
        trace_id = trace.trace_id()
        first = first_places.setdefault(bytes.fromhex(trace_id), place)
        if first is not place:
            raise LineError("duplicate_trace", f"the same content as row {first.row} of {first.source}")
    except LineError as error:
        content = content or repr(record).encode()
        return Reject(
            source=place.source,
            line=place.row,
            byte_offset=NO_OFFSET,
            code=error.code,
            message=printable(error.message[:_MESSAGE_CHARACTERS]),
            sha256=sha256_hex(content),
            excerpt=excerpt(content),
        )
    return Ingested(trace, trace_id, *place)


def _decode(content: bytes) -> Record:
    """Return the record as the strict reader of lines sees it: rows and lines keep the same bounds."""
    if len(content) > MAX_LINE_BYTES:
        raise LineError(
            "line_too_long", f"the row has {len(content)} bytes as JSON, expected at most {MAX_LINE_BYTES}"
        )
    return decode_record(content, is_terminated=True)


def _of_own_table(record: Record) -> Record:
    """Return the raw trace of a row of a dataset version's own table, any other record as it is."""
    if not record.keys() >= _OWN_COLUMNS:
        return record
    meta = record["meta"]
    if isinstance(meta, str):
        meta = decode_record(meta.encode(), is_terminated=True)
    return {name: record[name] for name in _TRACE_FIELDS} | {"meta": meta}


def _plain(value: Any, *, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if depth > MAX_DEPTH:
        raise LineError("nested_too_deep", f"more than {MAX_DEPTH} levels are nested")
    if isinstance(value, float) and not math.isfinite(value):
        raise LineError("non_finite_number", f"{value} is not a number of JSON")
    if isinstance(value, dict):
        return {key: _plain(inner, depth=depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth=depth + 1) for inner in value]
    return _as_text(value)


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
