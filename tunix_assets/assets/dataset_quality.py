"""The asset `dataset_quality`."""

import dagster as dg

from asset_checks.catalog import blocking_checks
from asset_checks.dataset import NO_KNOWN_CONTAMINATION
from asset_checks.outcome import Subject
from asset_checks.subject import resolve_subjects
from asset_checks.verdict import audit
from tunix_assets.automation import FOLLOWS_ITS_INPUTS
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.audits import require_audits
from tunix_ml.contracts.quality import FINDINGS_SCHEMA, QualityConfig
from tunix_ml.datasets.code_version import code_version
from tunix_ml.store import Store


class DatasetQualityConfig(QualityConfig, dg.Config):
    """The run configuration of `dataset_quality`."""


@dg.asset(
    deps=["dataset", "evaluation_sets"],
    group_name="datasets",
    partitions_def=DATASET_VERSIONS,
    code_version=code_version(),
    kinds={"parquet"},
    metadata=column_schema(FINDINGS_SCHEMA),
    retry_policy=RETRIES,
    automation_condition=FOLLOWS_ITS_INPUTS,
)
def dataset_quality(
    context: dg.AssetExecutionContext, config: DatasetQualityConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """How good a dataset version is: repeats, leaked questions, contradictions, secrets, drift.

    Every trace is held against the others, against the held-out splits and against every published evaluation
    set. Nothing waits for this; but once it has found an evaluation item among the training examples, nothing
    more is made from that content of the dataset, until the item is accepted by name in the run
    configuration. Run it again when evaluation sets have been added.
    """
    from tunix_ml.datasets.quality.publish import publish_quality, read_quality
    from tunix_ml.datasets.quality.summary import contaminated, render_quality

    asked = QualityConfig(**{name: getattr(config, name) for name in QualityConfig.model_fields})
    with clear_failures():
        source = _source(context, store.store())
        digest = source.snapshot.digest
        snapshot = publish_quality(store.store(), context.partition_key, dataset_digest=digest, config=asked)
        audit(NO_KNOWN_CONTAMINATION, source)
        report = read_quality(snapshot)
        sets = [
            (one.evaluation_set, one.num_items, contaminated(one), one.num_masked, one.num_uncheckable)
            for one in report.contamination
        ]
        columns = ["items of", "items", "held by train", "renumbered", "cannot be judged"]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(snapshot.digest),
            metadata={
                "traces": report.num_traces,
                "exact_duplicates": report.duplicates.num_exact,
                "near_duplicate_pairs": report.duplicates.num_near,
                "contaminated_items": sum(map(contaminated, report.contamination)),
                "contamination": inline_table(columns, sets),
                "findings": inline_table(["check", "traces"], list(report.findings.items())),
                "summary": dg.MetadataValue.md(render_quality(report)),
                "dataset_digest": digest,
                "content_digest": snapshot.digest,
                "path": dg.MetadataValue.path(snapshot.path),
            },
        )


def _source(context: dg.AssetExecutionContext, store: Store) -> Subject:
    """Return the dataset's content, audited but for what only this asset can find out."""
    (subject,) = resolve_subjects(context, store, "dataset", context.partition_key)
    checks = [name for name in blocking_checks("dataset") if name != NO_KNOWN_CONTAMINATION.name]
    require_audits(subject.slot, subject.snapshot, checks)
    return subject
