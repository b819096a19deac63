"""What of the store has a card: every published dataset version, and every evaluation set of the catalog."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetManifest
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import DatasetTrace
from tunix_ml.datasets.card_facts import CardFacts, collect_facts
from tunix_ml.datasets.evaluation_publish import read_manifest
from tunix_ml.datasets.evaluation_set import TABLE, read_published_items
from tunix_ml.parquet import read_batches
from tunix_ml.registry.pages.text import portable
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

DATASET_TABLE = "dataset"
MOST_LEFT_OUT = 40


class LeftOut(NamedTuple):
    """A record that became no row: where it stands, and why."""

    source: str
    line: int
    reason: str
    detail: str


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset version with its first traces, its rejected lines by what was wrong, and what is known of it.

    `left_out` has the first rows that were rejected or filtered, and why.
    """

    name: str
    digest: str
    manifest: DatasetManifest
    traces: tuple[DatasetTrace, ...]
    rejects: Mapping[str, int]
    left_out: tuple[LeftOut, ...] = ()
    facts: CardFacts | None = None


@dataclass(frozen=True)
class PublishedSet:
    """An evaluation set of the catalog with its items."""

    name: str
    digest: str
    manifest: EvaluationSetManifest
    items: tuple[EvaluationItem, ...]


@dataclass(frozen=True)
class PublishedSets:
    """All of them by name, and why others could not be read."""

    datasets: tuple[PublishedDataset, ...]
    evaluation_sets: tuple[PublishedSet, ...]
    problems: dict[str, str]


def published_sets(store: Store, *, most_traces: int) -> PublishedSets:
    """Read what has a card; of a dataset version so many traces."""
    datasets: list[PublishedDataset] = []
    evaluation_sets: list[PublishedSet] = []
    problems: dict[str, str] = {}
    for slot in store.slots():
        if slot.table not in {DATASET_TABLE, TABLE}:
            continue
        try:
            if slot.pointer() is None:
                continue
            if slot.table == DATASET_TABLE:
                datasets.append(_read_dataset(store, slot.resolve(), most_traces))
            else:
                evaluation_sets.append(_read_set(slot.resolve()))
        except (TunixError, OSError) as error:
            problems[f"{slot.table}/{slot.key}"] = portable(str(error), home=store.home)
    return PublishedSets(tuple(datasets), tuple(evaluation_sets), problems)


def _read_dataset(store: Store, snapshot: Snapshot, most_traces: int) -> PublishedDataset:
    facts = collect_facts(store, snapshot)
    traces = tuple(_first_traces(snapshot.file("traces.parquet"), most_traces))
    rejects: Counter[str] = Counter()
    for table in read_batches(snapshot.file("rejects.parquet"), columns=["code"]):
        rejects.update(table.column("code").to_pylist())
    return PublishedDataset(
        name=snapshot.record.key,
        digest=snapshot.digest,
        manifest=facts.manifest,
        traces=traces,
        rejects=rejects,
        left_out=tuple(_left_out(snapshot)),
        facts=facts,
    )


def _left_out(snapshot: Snapshot) -> Iterator[LeftOut]:
    """Yield the first rejected and the first filtered records."""
    for name, columns in _LEFT_OUT.items():
        if name in snapshot.record.files:
            batches = read_batches(snapshot.file(name), num_rows=MOST_LEFT_OUT, columns=columns)
            for table in itertools.islice(batches, 1):
                yield from map(LeftOut, *(table[column].to_pylist() for column in columns))


_LEFT_OUT = {
    "rejects.parquet": ("source", "line", "code", "message"),
    "filtered.parquet": ("source", "line", "reason", "detail"),
}


def _read_set(snapshot: Snapshot) -> PublishedSet:
    items = tuple(read_published_items(snapshot))
    return PublishedSet(snapshot.record.key, snapshot.digest, read_manifest(snapshot), items)


def _first_traces(path: Path, most: int) -> Iterator[DatasetTrace]:
    """Yield the first traces of a table that may be too large to read whole."""
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        batches = itertools.islice(file.iter_batches(batch_size=most), 1)
        yield from traces_table.from_table(pa.Table.from_batches(batches, schema=file.schema_arrow))
