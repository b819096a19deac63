"""Row lineage: from a training example or a prediction back to the file and line that it came from."""

from dataclasses import dataclass
from pathlib import Path

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.evaluation_set import EvaluationSetManifest
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.names import is_dataset_version
from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.trace import SPLITS, DatasetTrace
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.datasets.evaluation_set import evaluation_set_slot, read_published_items
from tunix_ml.datasets.read import read_dataset
from tunix_ml.datasets.tally import Place
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store


class UnknownRow(TunixError):
    """Nothing published has a row of this id."""


@dataclass(frozen=True, kw_only=True)
class TraceOrigin:
    """A trace in one content of one dataset version, and where it was read or made.

    `source_sha256` is of the file as it was then; it is empty where the manifest does not list the source.
    """

    dataset_version: str
    dataset_digest: str
    row: DatasetTrace
    source_sha256: str

    @property
    def source(self) -> str:
        """Name of the file, or `generator:<name>`."""
        return self.row.source

    @property
    def source_line(self) -> int:
        """Line or index there, from 1."""
        return self.row.source_line

    def sentence(self) -> str:
        """Say where the trace came from."""
        return (
            f"trace {self.row.trace_id} of {self.dataset_version} ({self.row.split},"
            f" content {self.dataset_digest[:16]}) is line {self.source_line} of {self.source}"
        )


@dataclass(frozen=True, kw_only=True)
class ItemOrigin:
    """An item of a published evaluation set and the file it was read from.

    Its line there is not kept: a set stands in the order of its ids.
    """

    evaluation_set: str
    set_digest: str
    item_id: str
    source: str
    source_sha256: str

    def sentence(self) -> str:
        """Say where the item came from."""
        return (
            f"item {self.item_id} of {self.evaluation_set} (content {self.set_digest[:16]}) stands in"
            f" {self.source}"
        )


def origin_of_trace(
    store: Store, dataset_version: str, trace_id: str, *, dataset_digest: str | None = None
) -> TraceOrigin:
    """Return where a trace of a dataset version came from.

    Raises:
        UnknownRow: the version has no such trace.
        NotPublished: the version is not published (with this digest).
    """
    snapshot = store.slot("dataset", dataset_version).resolve(dataset_digest)
    row = _find_row(snapshot, trace_id)
    if row is None:
        raise UnknownRow(f"{dataset_version} (content {snapshot.digest[:16]}) has no trace {trace_id!r:.80}")
    manifest = DatasetManifest.read(snapshot.file("manifest.json"))
    digests = {source.name: source.sha256 for source in manifest.sources}
    return TraceOrigin(
        dataset_version=dataset_version,
        dataset_digest=snapshot.digest,
        row=row,
        source_sha256=digests.get(row.source, ""),
    )


def origins_of_trace(store: Store, trace_id: str) -> list[TraceOrigin]:
    """Return every place of a trace in the current dataset versions, by version.

    Raises:
        UnknownRow: no dataset version has it.
    """
    versions = [slot.key for slot in _dataset_slots(store) if _find_row(slot.resolve(), trace_id) is not None]
    found = [origin_of_trace(store, version, trace_id) for version in versions]
    if not found:
        raise UnknownRow(f"no published dataset version has a trace {trace_id!r:.80}")
    return found


def origin_of_example(store: Store, run_id: str, example_id: str) -> TraceOrigin:
    """Return where an example that a run was trained on came from; its id is its trace's, as in the export.

    It is looked up in the very content the run was trained on, not in what is current.

    Raises:
        NotPublished: there is no such run, or the content it was trained on is gone.
        UnknownRow: that content has no such trace.
    """
    path = store.run(run_id).path / "config.json"
    if not path.is_file():
        raise NotPublished(f"there is no run {run_id!r:.140}, or it was not trained here")
    identity = RunIdentity.read(path)
    return origin_of_trace(
        store, identity.dataset_version, example_id, dataset_digest=identity.dataset_digest
    )


def origin_of_prediction(
    store: Store, run_id: str, evaluation_set: str, item_id: str
) -> TraceOrigin | ItemOrigin:
    """Return where the question of a prediction came from, in the content that the run was asked.

    Raises:
        NotPublished: the run has no predictions for the set, or the content it was asked is gone.
        UnknownRow: that content has no such item.
    """
    predictions = store.run(run_id).slot(f"predictions/{evaluation_set}").resolve()
    meta = PredictionsMeta.read(predictions.file("predictions_meta.json"))
    return origin_of_item(store, evaluation_set, item_id, source_digest=meta.source_digest)


def origin_of_item(
    store: Store, evaluation_set: str, item_id: str, *, source_digest: str | None = None
) -> TraceOrigin | ItemOrigin:
    """Return where an item came from: a trace of a held-out split, or a line of a published set's file.

    Raises:
        NotPublished: the dataset version, or the set, is not published (with this digest).
        UnknownRow: it has no such item.
    """
    dataset_version, _, split = evaluation_set.rpartition(".")
    if split in SPLITS and is_dataset_version(dataset_version):
        return origin_of_trace(store, dataset_version, item_id, dataset_digest=source_digest)
    snapshot = evaluation_set_slot(store, evaluation_set).resolve(source_digest)
    if all(item.item_id != item_id for item in read_published_items(snapshot)):
        raise UnknownRow(f"evaluation set {evaluation_set!r} has no item {item_id!r:.140}")
    manifest = EvaluationSetManifest.read(snapshot.file("manifest.json"))
    return ItemOrigin(
        evaluation_set=evaluation_set,
        set_digest=snapshot.digest,
        item_id=item_id,
        source=manifest.source,
        source_sha256=manifest.source_sha256,
    )


def places_of_items(
    store: Store, evaluation_set: str, *, source_digest: str | None = None
) -> dict[str, Place]:
    """Return the file and line of each item of a held-out split, by id; no other set keeps its lines.

    Raises:
        NotPublished: the dataset version is not published (with this digest).
    """
    dataset_version, _, wanted = evaluation_set.rpartition(".")
    if wanted not in SPLITS or not is_dataset_version(dataset_version):
        return {}
    dataset = read_dataset(store, dataset_version, digest=source_digest)
    return {
        row["trace_id"]: Place(row["source"], row["source_line"])
        for table in dataset.batches("trace_id", "split", "source", "source_line")
        for row in table.to_pylist()
        if row["split"] == wanted
    }


def _dataset_slots(store: Store) -> list[Slot]:
    return [slot for slot in store.slots() if slot.table == "dataset" and slot.pointer()]


def _find_row(snapshot: Snapshot, trace_id: str) -> DatasetTrace | None:
    """Return one row of a traces table, read without the others."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    path: Path = snapshot.file("traces.parquet")
    table = pq.read_table(path, filters=[("trace_id", "=", trace_id)], page_checksum_verification=True)
    return next(traces_table.from_table(table), None)
