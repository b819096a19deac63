"""The asset `submission_bundle`."""

import dagster as dg

from asset_checks.outcome import Subject
from tunix_assets.inputs import audited_input, audited_inputs, clear_failures
from tunix_assets.metadata import inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.bundle import EvaluationSummary
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot


@dg.asset(
    deps=["checkpoint", "eval_report"],
    group_name="results",
    partitions_def=DATASET_VERSIONS,
    code_version=source_digest("registry"),
    kinds={"file"},
    retry_policy=RETRIES,
)
def submission_bundle(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """The trained model with its answers, its scores and the evidence for both, in one archive to hand in.

    It holds a Hugging Face folder, what was written and how each item was scored, where and with what the run
    was made, and the sha256 of every file. The log tells the score. It is made by the job `single_session`,
    or by hand, and is no part of the pipeline.
    """
    from tunix_ml.registry.bundle import BUNDLE_FILE, publish_bundle
    from tunix_ml.registry.bundle_reader import verify_bundle

    with clear_failures():
        audited_input(context, store.store(), "checkpoint")
        reports = audited_inputs(context, store.store(), "eval_report")
        evals = {report.evaluation_set: report.snapshot.digest for report in reports}
        snapshot = publish_bundle(store.store(), _run_id(reports[0]), evals)
        path = snapshot.file(BUNDLE_FILE)
        summary = verify_bundle(path).summary
    for line in _lines(summary):
        context.log.info(line)
    context.log.info(f"bundle: {path}")
    return _describe(snapshot, summary, BUNDLE_FILE)


def _run_id(report: Subject) -> str:
    return EvalReport.read(report.snapshot.file("eval.json")).run_id


def _lines(summary: EvaluationSummary) -> list[str]:
    """Return each score with what is needed to believe it."""
    return [
        f"score: {found.score:.4f} on {name} ({summary.primary_metric},"
        f" 95 % interval {found.ci95_low:.3f} to {found.ci95_high:.3f}, n {found.n})"
        for name, found in summary.evaluation_sets.items()
    ]


def _describe(snapshot: Snapshot, summary: EvaluationSummary, name: str) -> dg.MaterializeResult[None]:
    rows = [
        (asked, f"{found.score:.4f}", f"{found.ci95_low:.3f} to {found.ci95_high:.3f}", found.n)
        for asked, found in summary.evaluation_sets.items()
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "run_id": summary.run_id,
            "score": summary.score,
            "scores": inline_table(["asked", "score", "95 % interval", "n"], rows),
            "bundle": dg.MetadataValue.path(snapshot.path / name),
            "megabytes": round(snapshot.record.files[name].num_bytes / 1e6, 1),
            "content_digest": snapshot.digest,
            "path": dg.MetadataValue.path(snapshot.path),
        },
    )
