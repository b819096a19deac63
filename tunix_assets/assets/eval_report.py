"""The asset `eval_report`."""

import dagster as dg

from asset_checks.subject import combined_digest, content_metadata
from tunix_assets.automation import FOLLOWS_ITS_INPUTS
from tunix_assets.inputs import audited_inputs, clear_failures, tell_run
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.datasets.evaluation_set import OWN
from tunix_ml.evaluation.report import code_version, evaluate
from tunix_ml.snapshot import Snapshot


@dg.asset(
    deps=["predictions"],
    group_name="evaluation",
    partitions_def=DATASET_VERSIONS,
    code_version=code_version(),
    kinds={"json"},
    metadata=column_schema(ITEM_SCORES_SCHEMA),
    retry_policy=RETRIES,
    automation_condition=FOLLOWS_ITS_INPUTS,
)
def eval_report(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """The scores of the trained model on every evaluation set it was asked, with each item behind them.

    An answer is extracted where the template puts it and compared by the type that its item declares. Every
    item counts; a run with an item missing has no score. The scorer is tried on known texts first.
    """
    with clear_failures():
        made = {}
        for source in audited_inputs(context, store.store(), "predictions"):
            meta = PredictionsMeta.read(source.snapshot.file("predictions_meta.json"))
            tell_run(context, store.store(), meta.run_id)
            made[meta.evaluation_set] = evaluate(
                store.store(), meta.run_id, meta.evaluation_set, predictions_digest=source.snapshot.digest
            )
        return _describe(made, own=evaluation_set_name(context.partition_key, OWN))


def _describe(made: dict[str, Snapshot], *, own: str) -> dg.MaterializeResult[None]:
    digests = {name: snapshot.digest for name, snapshot in made.items()}
    made = dict(sorted(made.items(), key=lambda item: item[0] != own))
    reports = {name: EvalReport.read(snapshot.file("eval.json")) for name, snapshot in made.items()}
    first, *_ = reports.values()
    metrics = [
        (name, metric, f"{found.mean:.3f}", found.shown_interval(), found.n)
        for name, report in reports.items()
        for metric, found in report.metrics.items()
    ]
    metrics.sort(key=lambda row: row[1] != first.primary_metric)
    texts = [snapshot.file("README.md").read_text(encoding="utf-8") for snapshot in made.values()]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(combined_digest(digests)),
        metadata={
            **_scores(reports, own=own),
            "run_id": first.run_id,
            "metrics": inline_table(["asked", "metric", "mean", "95 % interval", "n"], metrics),
            "items": sum(report.n_items for report in reports.values()),
            "scored": sum(report.n_scored for report in reports.values()),
            "report": dg.MetadataValue.md("\n\n".join(texts)),
            "path": dg.MetadataValue.path(next(iter(made.values())).path),
            **content_metadata(digests),
        },
    )


def _scores(reports: dict[str, EvalReport], *, own: str) -> dict[str, float]:
    """Return the score of the dataset's own test split, and those of other sets under their names."""
    return {
        "primary_score" if name == own else f"primary_score/{name}": report.primary_score
        for name, report in reports.items()
        if report.primary_score is not None
    }
