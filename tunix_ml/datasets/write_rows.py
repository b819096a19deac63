"""The tables of a dataset version, written while its source is read: traces, rejects, filtered rows."""

import itertools
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.manifest import MAX_LISTED_TRACE_IDS
from tunix_ml.contracts.recipe import DatasetRecipe, JsonlSource, Redaction, VersionsSource
from tunix_ml.contracts.reject import REJECTS_SCHEMA, Reject
from tunix_ml.contracts.selection import FILTERED_SCHEMA, Filtered
from tunix_ml.contracts.trace import TRACES_SCHEMA, DatasetTrace
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.columns import Frame, Origins, read_frame, to_frame
from tunix_ml.datasets.identities import DIGEST_BYTES, ID_BYTES, pieces
from tunix_ml.datasets.origin import records
from tunix_ml.datasets.parallel import AnyChunk, frames
from tunix_ml.datasets.redaction import clean_rows, refused_record, withheld
from tunix_ml.datasets.row_files import RowFile
from tunix_ml.datasets.selection import Selection, selected_rows
from tunix_ml.datasets.splits import assign_split
from tunix_ml.datasets.tally import Place, Spread, Tally
from tunix_ml.traces.canonical_rows import CanonicalRows, to_canonical
from tunix_ml.traces.chunks import read_chunks
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.ingest import Ingested
from tunix_ml.traces.lines import Line
from tunix_ml.traces.rejects import duplicate_error, reject_line
from tunix_ml.traces.sources import source_files

Record = Ingested | DatasetTrace | Reject | Filtered
MAX_WORKERS = 8
# Below this a worker would not be done with its imports before the work is.
_BYTES_WORTH_WORKERS = 64 << 20
_RECORDS_AT_ONCE = 2_000
_NO_OFFSET = -1


class Sink:
    """The three tables of a version being written, and the tally of what went into them."""

    def __init__(
        self,
        folder: Path,
        tally: Tally,
        *,
        tell: Callable[[], None],
        group_rows: int,
        redaction: Redaction | None = None,
    ) -> None:
        self._tally, self._tell, self._redaction = tally, tell, redaction
        self._files = ExitStack()
        self._traces, self._rejects, self._filtered = (
            self._files.enter_context(RowFile(folder / f"{name}.parquet", schema, group_rows=group_rows))
            for name, schema in (
                ("traces", TRACES_SCHEMA),
                ("rejects", REJECTS_SCHEMA),
                ("filtered", FILTERED_SCHEMA),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def take(self, frame: Frame, *, content: AnyChunk | None = None) -> None:
        """Take a frame in: its rows, as far as their content is new, and its rejects.

        `content` is what the frame was read from; a duplicate's reject shows it.
        """
        table = read_frame(frame)
        ids = pieces(frame.trace_ids, ID_BYTES)
        repeated = self._tally.first_places.find_repeated(ids, frame.sources, frame.lines)
        rejects = list(frame.rejects)
        digests, families = frame.row_digests, frame.families
        if repeated:
            rejects += withheld(_duplicates(repeated, table, content), self._redaction)
            rejects.sort(key=lambda reject: reject.line)
            kept = [index for index in range(frame.num_rows) if index not in repeated]
            table = table.take(pa.array(kept, pa.int64()))
            row_digests = pieces(digests, DIGEST_BYTES)
            digests = b"".join(row_digests[index] for index in kept)
            families = [families[index] for index in kept]
        self._tally.redact(counts for index, counts in frame.redactions.items() if index not in repeated)
        self._keep(table, digests, families)
        self._reject(rejects)
        self._tell()

    def filter(self, filtered: list[Filtered]) -> None:
        """Take in rows that the recipe leaves out."""
        if not filtered:
            return
        self._tally.filtered += len(filtered)
        self._tally.records_by_source.update(row.source for row in filtered)
        self._filtered.append(map(msgspec.to_builtins, filtered))

    def _keep(self, table: pa.Table, digests: bytes, families: list[str]) -> None:
        if not table.num_rows:
            return
        tally = self._tally
        self._traces.extend(table)
        tally.keep_digests(digests)
        tally.families.update(families)
        for counter, column in ((tally.splits, "split"), (tally.records_by_source, "source")):
            for found in table[column].value_counts().to_pylist():
                counter[found["values"]] += found["counts"]
        _spread(tally.prompt_chars, pc.utf8_length(table["prompt"]))
        _spread(tally.num_steps, pc.list_value_length(table["steps"]))
        if len(tally.first_ids) <= MAX_LISTED_TRACE_IDS:
            tally.first_ids += table["trace_id"].to_pylist()

    def _reject(self, rejects: list[Reject]) -> None:
        self._tally.reject(rejects)
        if rejects:
            self._rejects.append(map(msgspec.to_builtins, rejects))


def write_rows(
    entry: CatalogEntry, sink: Sink, *, selection: Selection | None, num_workers: int | None
) -> None:
    """Read the source of a recipe to its end into a sink.

    Raises:
        SourceError: it cannot be read.
        WorkerDied: a worker process was killed.
    """
    source = entry.recipe.source
    if isinstance(source, JsonlSource):
        files = source_files(source, base_dir=entry.path.parent)
        workers = _num_workers(files) if num_workers is None else num_workers
        chunks = itertools.chain.from_iterable(map(read_chunks, files))
        made_frames = frames(
            chunks,
            source,
            shares=entry.recipe.splits,
            num_workers=workers,
            redaction=entry.recipe.redact,
        )
        for made in made_frames:
            sink.take(made.frame, content=made.chunk)
    elif selection is not None:
        write_records(selected_rows(selection, shares=entry.recipe.splits), entry, sink)
    elif not isinstance(source, VersionsSource):
        write_records(records(source, base_dir=entry.path.parent), entry, sink)


def write_records(found: Iterable[Record], entry: CatalogEntry, sink: Sink) -> None:
    """Put records that were made one by one into a sink."""
    waiting = iter(found)
    while some := list(itertools.islice(waiting, _RECORDS_AT_ONCE)):
        sink.filter([record for record in some if isinstance(record, Filtered)])
        rejects = [record for record in some if isinstance(record, Reject)]
        kept = [record for record in some if isinstance(record, Ingested | DatasetTrace)]
        sink.take(frame_of_records(kept, rejects, entry.recipe))


def frame_of_records(
    kept: list[Ingested | DatasetTrace], rejects: list[Reject], recipe: DatasetRecipe
) -> Frame:
    """Return records that were made one by one as a frame."""
    traces = [to_canonical(record.trace) for record in kept]
    rows = CanonicalRows(
        traces,
        [canonical_json(record.trace.record()) for record in kept],
        [None if trace.meta is None else canonical_json(trace.meta) for trace in traces],
    )
    redactions: dict[int, dict[str, int]] = {}
    if recipe.redact is not None:
        cleaned = clean_rows(rows, recipe.redact)
        refused = [_refused(kept[place], error) for place, error in cleaned.refused.items()]
        rejects = [*withheld(rejects, recipe.redact), *refused]
        rows, redactions = cleaned.rows, cleaned.redactions
        kept = [kept[place] for place in cleaned.places]
    lines = [record.line if isinstance(record, Ingested) else record.source_line for record in kept]
    splits = [
        record.split if isinstance(record, DatasetTrace) else assign_split(trace.prompt, recipe.splits)
        for record, trace in zip(kept, rows.traces, strict=True)
    ]
    origins = Origins([record.source for record in kept], lines)
    return to_frame(
        rows, origins, shares=recipe.splits, splits=splits, rejects=rejects, redactions=redactions
    )


def _refused(record: Ingested | DatasetTrace, error: LineError) -> Reject:
    line = record.line if isinstance(record, Ingested) else record.source_line
    return refused_record(record.trace, error, source=record.source, line=line)


def _spread(spread: Spread, values: pa.ChunkedArray) -> None:
    ends = pc.min_max(values).as_py()
    spread.add(total=pc.sum(values).as_py(), count=len(values), smallest=ends["min"], largest=ends["max"])


def _num_workers(files: tuple[Path, ...]) -> int:
    num_bytes = sum(file.stat().st_size * (8 if file.suffix == ".gz" else 1) for file in files)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS) if num_bytes >= _BYTES_WORTH_WORKERS and cores > 1 else 0


def _duplicates(repeated: dict[int, Place], table: pa.Table, content: AnyChunk | None) -> list[Reject]:
    sources, numbers = table["source"].to_pylist(), table["source_line"].to_pylist()
    lines = content.numbered_lines() if content else {}
    found = []
    for index, first in repeated.items():
        line = lines.get(numbers[index]) or _line_of(table, index)
        found.append(reject_line(line, sources[index], duplicate_error(line=first.line, source=first.source)))
    return found


def _line_of(table: pa.Table, index: int) -> Line:
    """Return a row that came from no line as one: its canonical JSON."""
    row = table.slice(index, 1).to_pylist()[0]
    return Line(row["source_line"], _NO_OFFSET, canonical_json(row), True)
