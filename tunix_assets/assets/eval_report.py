"""The asset `eval_report`."""

import dagster as dg

from tunix_assets.inputs import audited_input, clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport
from tunix_ml.evaluation.report import evaluate, read_predictions, scorer_digest


@dg.asset(
    deps=["predictions"],
    group_name="evaluation",
    partitions_def=DATASET_VERSIONS,
    code_version=scorer_digest(),
    kinds={"json"},
    metadata=column_schema(ITEM_SCORES_SCHEMA),
)
def eval_report(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """The scores of the trained model on the dataset version's test split, with every item behind them.

    An answer is extracted where the template puts it and compared as an exact number, or as text. Every item
    counts; a run with an item missing has no score. The scorer is tried on known texts first.
    """
    with clear_failures():
        source = audited_input(context, store.store(), "predictions")
        meta = read_predictions(source.slot, digest=source.snapshot.digest).meta
        snapshot = evaluate(
            store.store(), meta.run_id, meta.evaluation_set, predictions_digest=source.snapshot.digest
        )
        report = EvalReport.read(snapshot.file("eval.json"))
        metrics = [
            (name, f"{found.mean:.3f}", f"{found.ci95_low:.3f} to {found.ci95_high:.3f}", found.n)
            for name, found in {**report.metrics, **report.families}.items()
        ]
        score = {} if report.primary_score is None else {"primary_score": report.primary_score}
        return dg.MaterializeResult(
            data_version=dg.DataVersion(snapshot.digest),
            metadata={
                **score,
                "run_id": report.run_id,
                "metrics": inline_table(["metric", "mean", "95 % interval", "n"], metrics),
                "items": report.n_items,
                "scored": report.n_scored,
                "report": dg.MetadataValue.md(snapshot.file("README.md").read_text(encoding="utf-8")),
                "content_digest": snapshot.digest,
                "path": dg.MetadataValue.path(snapshot.path),
            },
        )
