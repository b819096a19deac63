"""What of the store has a card: every published dataset version, and every evaluation set of the catalog."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetManifest
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import DatasetTrace
from tunix_ml.datasets.evaluation_publish import read_manifest
from tunix_ml.datasets.evaluation_set import TABLE, read_published_items
from tunix_ml.parquet import read_table
from tunix_ml.registry.pages.text import portable
from tunix_ml.store import Snapshot, Store

DATASET_TABLE = "dataset"


@dataclass(frozen=True)
class PublishedDataset:
    """A dataset version with its first traces, and the number of rejected lines by what was wrong."""

    name: str
    digest: str
    manifest: DatasetManifest
    traces: tuple[DatasetTrace, ...]
    rejects: Mapping[str, int]


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
                datasets.append(_read_dataset(slot.resolve(), most_traces))
            else:
                evaluation_sets.append(_read_set(slot.resolve()))
        except (TunixError, OSError) as error:
            problems[f"{slot.table}/{slot.key}"] = portable(str(error), home=store.home)
    return PublishedSets(tuple(datasets), tuple(evaluation_sets), problems)


def _read_dataset(snapshot: Snapshot, most_traces: int) -> PublishedDataset:
    manifest = DatasetManifest.read(snapshot.file("manifest.json"))
    traces = tuple(_first_traces(snapshot.file("traces.parquet"), most_traces))
    rejects = Counter(read_table(snapshot.file("rejects.parquet")).column("code").to_pylist())
    return PublishedDataset(snapshot.record.key, snapshot.digest, manifest, traces, rejects)


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
