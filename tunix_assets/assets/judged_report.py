"""The asset `judged_report`."""

from collections.abc import Iterator

import dagster as dg

from asset_checks.subject import combined_digest, content_metadata
from tunix_assets.inputs import audited_inputs, clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport
from tunix_ml.evaluation.judges.report import evaluate_judgements
from tunix_ml.evaluation.report import code_version


@dg.asset(
    deps=["judged_eval"],
    group_name="evaluation",
    partitions_def=DATASET_VERSIONS,
    code_version=code_version(),
    kinds={"json"},
    output_required=False,
    metadata=column_schema(ITEM_SCORES_SCHEMA),
    retry_policy=RETRIES,
)
def judged_report(
    context: dg.AssetExecutionContext, store: StoreResource
) -> Iterator[dg.MaterializeResult[None]]:
    """The scores that a judge's verdicts give, item by item, beside those by answers.

    The leaderboard shows them as rows of their own, and ranks them if the judge's calibration passed.
    """
    with clear_failures():
        made = {
            subject.evaluation_set: evaluate_judgements(
                store.store(), subject.slot, digest=subject.snapshot.digest
            )
            for subject in audited_inputs(context, store.store(), "judged_eval")
        }
        reports = {name: EvalReport.read(snapshot.file("eval.json")) for name, snapshot in made.items()}
        first, *_ = reports.values()
        rows = [
            (name, report.primary_score if report.primary_score is not None else "-", report.n_scored)
            for name, report in reports.items()
        ]
        digests = {name: snapshot.digest for name, snapshot in made.items()}
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(combined_digest(digests)),
            metadata={
                "run_id": first.run_id,
                "judge": first.scorer,
                "scores": inline_table(["judged", "score", "items scored"], rows),
                **content_metadata(digests),
            },
        )
