"""What changed between two dataset versions: rows added, removed, changed or moved, by source."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tunix_ml.contracts.difference import CHANGES, DIFFERENCE_SCHEMA, Change, ChangedRow, DatasetDifference
from tunix_ml.contracts.trace import DatasetTrace
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.datasets.read import Dataset
from tunix_ml.parquet import write_table
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.prompts import normalise_prompt

TABLE = "dataset_difference"


class Difference(NamedTuple):
    """The counts, and the rows that are not in both versions alike."""

    summary: DatasetDifference
    rows: list[ChangedRow]


def compare_versions(before: Snapshot, after: Snapshot) -> Difference:
    """Compare two published dataset versions by content.

    A changed row has the same normalised question and other content; a moved one the same content in another
    split. Memory grows with the identities of the rows and with the rows that changed.
    """
    splits = {row.trace_id: row.split for row in published_rows(before)}
    new, moved, num_after = [], [], 0
    kept: set[str] = set()
    for row in published_rows(after):
        num_after += 1
        split = splits.get(row.trace_id)
        if split is None:
            new.append(row)
            continue
        kept.add(row.trace_id)
        if split != row.split:
            moved.append(_changed("moved", row, trace_id_before=row.trace_id, split_before=split))
    gone = [row for row in published_rows(before) if row.trace_id not in kept]
    rows = [*_matched(new, gone), *moved]
    return Difference(_summary(before, after, rows, num_before=len(splits), num_after=num_after), rows)


def publish_difference(store: Store, *, before: str, after: str) -> Snapshot:
    """Compare the current contents of two dataset versions and publish what changed under the later one.

    Raises:
        NotPublished: one of them has not been materialized.
    """
    return _publish(store, *(store.slot("dataset", version).resolve() for version in (before, after)))


def publish_parent_difference(store: Store, dataset: Dataset) -> DatasetDifference | None:
    """Publish what changed since the version that a dataset version extends; None if it extends none.

    Both are compared as they were when it was built, also when the parent has moved on since.

    Raises:
        NotPublished: the parent's content is gone.
    """
    parent = dataset.manifest.parent_dataset_id
    if parent is None:
        return None
    digest = dataset.snapshot.record.parents.get(f"dataset:{parent}")
    published = _publish(store, store.slot("dataset", parent).resolve(digest), dataset.snapshot)
    return read_difference(published)


def read_difference(snapshot: Snapshot) -> DatasetDifference:
    """Return the counts of a published difference, verified."""
    return DatasetDifference.read(snapshot.file("difference.json"))


def _publish(store: Store, before: Snapshot, after: Snapshot) -> Snapshot:
    difference = compare_versions(before, after)
    parents = {f"dataset:{snapshot.record.key}": snapshot.digest for snapshot in (before, after)}
    slot = store.slot(TABLE, after.record.key)
    with slot.publish(parents=parents, code_version=code_version()) as draft:
        table = DIFFERENCE_SCHEMA.table(map(msgspec.to_builtins, difference.rows))
        write_table(table, draft.path / "difference.parquet")
        (draft.path / "difference.json").write_bytes(difference.summary.to_json())
    return draft.snapshot


def describe_difference(difference: DatasetDifference) -> str:
    """Return a difference as a few lines for a person, one for each source that changed."""
    lines = [
        f"{difference.before} ({difference.num_before:,} traces) -> {difference.after}"
        f" ({difference.num_after:,} traces)",
        f"  {_told(difference.counts)}, {difference.num_unchanged:,} unchanged",
        *(f"  {source}: {_told(counts)}" for source, counts in sorted(difference.by_source.items())),
    ]
    return "\n".join(lines)


def _told(counts: dict[Change, int]) -> str:
    return ", ".join(f"{counts.get(change, 0):,} {change}" for change in CHANGES)


def _matched(new: list[DatasetTrace], gone: list[DatasetTrace]) -> Iterator[ChangedRow]:
    """Pair new rows with those gone by their question; the rest were added or removed."""
    by_question: dict[str, list[DatasetTrace]] = defaultdict(list)
    for row in reversed(gone):
        by_question[normalise_prompt(row.trace.prompt)].append(row)
    paired: set[str] = set()
    for row in new:
        candidates = by_question[normalise_prompt(row.trace.prompt)]
        earlier = candidates.pop() if candidates else None
        if earlier is None:
            yield _changed("added", row, trace_id_before=None, split_before=None)
        else:
            paired.add(earlier.trace_id)
            yield _changed("changed", row, trace_id_before=earlier.trace_id, split_before=earlier.split)
    for row in gone:
        if row.trace_id not in paired:
            yield _changed("removed", row, trace_id_before=row.trace_id, split_before=row.split)


def _changed(
    change: Change, row: DatasetTrace, *, trace_id_before: str | None, split_before: str | None
) -> ChangedRow:
    return ChangedRow(
        change=change,
        trace_id=row.trace_id,
        trace_id_before=trace_id_before,
        split=row.split,
        split_before=split_before,
        source=row.source,
        source_line=row.source_line,
        prompt=row.trace.prompt,
    )


def _summary(
    before: Snapshot, after: Snapshot, rows: list[ChangedRow], *, num_before: int, num_after: int
) -> DatasetDifference:
    by_source: dict[str, Counter[Change]] = defaultdict(Counter)
    for row in rows:
        by_source[row.source][row.change] += 1
    totals = Counter(row.change for row in rows)
    return DatasetDifference(
        before=before.record.key,
        before_digest=before.digest,
        after=after.record.key,
        after_digest=after.digest,
        num_before=num_before,
        num_after=num_after,
        num_unchanged=num_after - totals["added"] - totals["changed"] - totals["moved"],
        counts={change: totals[change] for change in CHANGES},
        by_source={
            source: {change: counts[change] for change in CHANGES}
            for source, counts in sorted(by_source.items())
        },
    )
