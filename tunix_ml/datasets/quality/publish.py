"""Publish the quality of a dataset version: a report, three tables, and a summary to read."""

from pathlib import Path

from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.quality import (
    CONTAMINATION_SCHEMA,
    DUPLICATES_SCHEMA,
    FINDINGS_SCHEMA,
    QualityConfig,
    QualityReport,
    Statistics,
)
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.evaluation_set import load_evaluation_set, published_evaluation_sets
from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.datasets.quality.examine import Quality, Subject, examine
from tunix_ml.datasets.quality.statistics import Tally
from tunix_ml.datasets.quality.summary import render_quality
from tunix_ml.datasets.read import Dataset, read_dataset
from tunix_ml.parquet import write_table
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

TABLE = "dataset_quality"
REPORT_FILE = "quality.json"
DUPLICATES_FILE = "duplicates.parquet"
CONTAMINATION_FILE = "contamination.parquet"
FINDINGS_FILE = "findings.parquet"


def publish_quality(
    store: Store,
    dataset_version: str,
    *,
    dataset_digest: str | None = None,
    config: QualityConfig | None = None,
) -> Snapshot:
    """Examine a dataset version, hold it against every published evaluation set, and publish what was found.

    Raises:
        NotPublished: the dataset version is not published (with this digest).
    """
    dataset = read_dataset(store, dataset_version, digest=dataset_digest)
    sets = tuple(load_evaluation_set(store, name) for name in published_evaluation_sets(store))
    compared_with = earlier_version(store, dataset)
    quality = examine(
        Subject(
            dataset_version=dataset_version,
            dataset_digest=dataset.snapshot.digest,
            rows=published_rows(dataset.snapshot),
            evaluation_sets=sets,
            compared_with=compared_with,
            earlier=_statistics(read_dataset(store, compared_with)) if compared_with else None,
            config=config or QualityConfig(),
        )
    )
    parents = {"dataset": dataset.snapshot.digest}
    parents |= {f"evaluation_set/{one.name}": one.source_digest for one in sets}
    with quality_slot(store, dataset_version).publish(parents=parents, code_version=code_version()) as draft:
        _write(quality, draft.path)
    return draft.snapshot


def quality_slot(store: Store, dataset_version: str) -> Slot:
    """Return where the quality of a dataset version is published."""
    return store.slot(TABLE, dataset_version)


def read_quality(snapshot: Snapshot) -> QualityReport:
    """Return the report of a published quality, verified."""
    return QualityReport.read(snapshot.file(REPORT_FILE))


def quality_of(store: Store, dataset_version: str, *, dataset_digest: str) -> QualityReport | None:
    """Return what is published of the quality of one content of a dataset version, None if nothing is."""
    slot = quality_slot(store, dataset_version)
    if slot.pointer() is None:
        return None
    snapshot = slot.resolve()
    return read_quality(snapshot) if snapshot.record.parents.get("dataset") == dataset_digest else None


def earlier_version(store: Store, dataset: Dataset) -> str | None:
    """Return the version that a dataset version is compared with, if it is published.

    It is the parent that its manifest names, else the one before it: `golden-v1` for `golden-v2`.
    """
    manifest = dataset.manifest
    name, version = parse_dataset_version(manifest.dataset_key)
    before = int(version.removeprefix("v")) - 1
    candidate = manifest.parent_dataset_id or f"{name}-v{before}"
    return candidate if store.slot("dataset", candidate).pointer() else None


def _statistics(dataset: Dataset) -> Statistics:
    tally = Tally()
    for row in published_rows(dataset.snapshot):
        tally.add(row.trace)
    return tally.statistics()


def _write(quality: Quality, folder: Path) -> None:
    (folder / REPORT_FILE).write_bytes(quality.report.to_json())
    write_table(DUPLICATES_SCHEMA.table(quality.duplicates), folder / DUPLICATES_FILE)
    write_table(CONTAMINATION_SCHEMA.table(quality.contamination), folder / CONTAMINATION_FILE)
    findings = (finding._asdict() for finding in quality.findings)
    write_table(FINDINGS_SCHEMA.table(findings), folder / FINDINGS_FILE)
    (folder / "README.md").write_text(render_quality(quality.report), encoding="utf-8")
