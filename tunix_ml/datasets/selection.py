"""Rows of published dataset versions, and new ones, chosen as a recipe of kind `versions` says."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunix_ml.contracts.manifest import SourceFile
from tunix_ml.contracts.recipe import Part, VersionsSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.selection import Filter, Filtered
from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Split, Trace
from tunix_ml.datasets.choice import Candidate, LeftOut, choose
from tunix_ml.datasets.filters import FilterRow, first_unfulfilled
from tunix_ml.datasets.origin import describe, records
from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.datasets.splits import assign_split
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.prompts import normalise_prompt

_HELD_OUT_LAST = {split: rank for rank, split in enumerate(SPLITS)}


class Selection(NamedTuple):
    """A recipe of kind `versions` with the content of each version it names: the same for both readings."""

    source: VersionsSource
    snapshots: tuple[Snapshot | None, ...]
    base_dir: Path


class _Row(NamedTuple):
    trace: Trace
    trace_id: str
    source: str
    line: int
    split: Split | None


class _Decisions(NamedTuple):
    left_out: dict[int, LeftOut]
    splits: dict[bytes, Split]


def open_selection(source: VersionsSource, store: Store, *, base_dir: Path) -> Selection:
    """Look up the versions a recipe names.

    Raises:
        NotPublished: one of them is not published, or not with the content asked for.
    """
    snapshots = tuple(
        store.slot("dataset", part.version).resolve(part.content) if part.version else None
        for part in source.parts
    )
    return Selection(source, snapshots, base_dir)


def parents(selection: Selection) -> dict[str, str]:
    """Return the content digest of each version that rows are taken from, as the store's record wants it."""
    pairs = zip(selection.source.parts, selection.snapshots, strict=True)
    return {f"dataset:{part.version}": snapshot.digest for part, snapshot in pairs if snapshot is not None}


def selected_rows(
    selection: Selection, *, shares: Mapping[Split, float]
) -> Iterator[DatasetTrace | Filtered | Reject]:
    """Yield each row of each part once: kept, in its split, or left out, with the reason, or rejected.

    Everything is read twice: to decide, and to yield. A question that stands in several splits of the
    versions goes to the most held out of them, even where the row that held it out is itself left out.

    Raises:
        ContractError: a version's table breaks its contract, or new rows cannot be read.
    """
    decisions = _decide(selection)
    for position, part, item in _read(selection):
        if isinstance(item, Reject):
            yield item
            continue
        split = _split(item, selection.source, decisions.splits, shares)
        reason = decisions.left_out.get(position)
        if reason is None:
            yield DatasetTrace(item.trace_id, split, item.trace, item.source, item.line)
        else:
            yield Filtered(
                trace_id=item.trace_id,
                part=part_name(selection.source.parts[part]),
                source=item.source,
                line=item.line,
                split=split,
                family=item.trace.family(),
                reason=reason.reason,
                detail=reason.detail,
            )


def describe_selection(selection: Selection, *, num_records: Mapping[str, int]) -> tuple[SourceFile, ...]:
    """Return the manifest's entries; `num_records` by source name counts what `selected_rows` yielded."""
    found: dict[str, SourceFile] = {}
    for part, snapshot in zip(selection.source.parts, selection.snapshots, strict=True):
        for entry in _describe(part, snapshot, selection.base_dir, num_records):
            found.setdefault(entry.name, entry)
    return tuple(found.values())


def selection_fields(source: VersionsSource) -> dict[str, Any]:
    """Return the manifest's fields of the original build request: filters, strategy, seed and parent."""
    versions = [part.version for part in source.parts if part.version]
    return {
        "filters": _stated_filters(source),
        "selection_strategy": source.strategy,
        "seed": source.seed,
        "parent_dataset_id": versions[0] if versions else None,
    }


def part_name(part: Part) -> str:
    """Return the version of a part, or what kind of new rows it is."""
    return part.version or f"new:{part.rows.kind if part.rows else ''}"


def _stated_filters(source: VersionsSource) -> dict[str, Any]:
    stated = source.model_dump(
        mode="json", include={"filters", "limit", "max_per_family", "family_caps"}, exclude_defaults=True
    )
    by_part = [
        {"part": part_name(part), **part.model_dump(mode="json", include={"weight", "filters"})}
        for part in source.parts
        if part.weight is not None or part.filters
    ]
    return stated | ({"parts": by_part} if by_part else {})


def _decide(selection: Selection) -> _Decisions:
    source = selection.source
    candidates: list[Candidate] = []
    left_out: dict[int, LeftOut] = {}
    splits: dict[bytes, Split] = {}
    first_places: dict[bytes, tuple[str, int]] = {}
    for position, number, item in _read(selection):
        if isinstance(item, Reject):
            continue
        if item.split is not None:
            _hold_out(splits, item.trace.prompt, item.split)
        reason = _unfit(item, (*source.filters, *source.parts[number].filters), first_places)
        if reason is None:
            candidates.append(Candidate(position, item.trace_id, number, item.trace.family()))
        else:
            left_out[position] = reason
    return _Decisions(left_out | choose(candidates, source), splits)


def _unfit(
    row: _Row, filters: tuple[Filter, ...], first_places: dict[bytes, tuple[str, int]]
) -> LeftOut | None:
    seen = FilterRow(row.trace, row.trace_id, row.split or "new", row.source, row.line)
    if unfulfilled := first_unfulfilled(seen, filters):
        return LeftOut("filter", unfulfilled)
    place = (row.source, row.line)
    first = first_places.setdefault(bytes.fromhex(row.trace_id), place)
    if first is place:
        return None
    return LeftOut("duplicate_trace", f"the same content as row {first[1]} of {first[0]}")


def _hold_out(splits: dict[bytes, Split], prompt: str, split: Split) -> None:
    key = _prompt_key(prompt)
    known = splits.get(key, split)
    splits[key] = max(known, split, key=_HELD_OUT_LAST.__getitem__)


def _split(
    row: _Row, source: VersionsSource, splits: Mapping[bytes, Split], shares: Mapping[Split, float]
) -> Split:
    kept = splits.get(_prompt_key(row.trace.prompt)) if source.splits == "kept" else None
    return kept or assign_split(row.trace.prompt, shares)


def _prompt_key(prompt: str) -> bytes:
    return hashlib.sha256(normalise_prompt(prompt).encode()).digest()[:16]


def _read(selection: Selection) -> Iterator[tuple[int, int, _Row | Reject]]:
    """Yield every row with its place among all rows and the number of its part."""
    position = 0
    for number, (part, snapshot) in enumerate(zip(selection.source.parts, selection.snapshots, strict=True)):
        for item in _rows_of(part, snapshot, selection.base_dir):
            yield position, number, item
            position += 1


def _rows_of(part: Part, snapshot: Snapshot | None, base_dir: Path) -> Iterator[_Row | Reject]:
    if snapshot is not None:
        for number, row in enumerate(published_rows(snapshot), start=1):
            yield _Row(row.trace, row.trace_id, f"dataset:{part.version}", number, row.split)
    elif part.rows is not None:
        for item in records(part.rows, base_dir=base_dir):
            yield item if isinstance(item, Reject) else _Row(*item, None)


def _describe(
    part: Part, snapshot: Snapshot | None, base_dir: Path, num_records: Mapping[str, int]
) -> tuple[SourceFile, ...]:
    if snapshot is not None:
        name, file = f"dataset:{part.version}", snapshot.record.files["traces.parquet"]
        count = num_records.get(name, 0)
        return (SourceFile(name=name, sha256=snapshot.digest, num_bytes=file.num_bytes, num_records=count),)
    return describe(part.rows, base_dir=base_dir, num_records=num_records) if part.rows else ()
