"""The asset `external_systems`."""

import dagster as dg

from asset_checks.subject import RECIPES, combined_digest, content_metadata
from tunix_assets.automation import FOLLOWS_ITS_INPUTS
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport
from tunix_ml.evaluation.report import code_version
from tunix_ml.snapshot import Snapshot


@dg.asset(
    deps=["evaluation_sets"],
    group_name="evaluation",
    code_version=code_version(),
    kinds={"json"},
    metadata=column_schema(ITEM_SCORES_SCHEMA),
    retry_policy=RETRIES,
    automation_condition=FOLLOWS_ITS_INPUTS,
)
def external_systems(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """Predictions and judges' logs that were made elsewhere, brought in and scored as our own are.

    A recipe in `data/systems/`, or in your own `recipes/systems/`, says which file holds them, to which
    evaluation set they belong and where an answer stands. Each system is a run of its own on the leaderboard.
    A recipe is left out where the environment variable that leads to its file is not set. A broken one is
    named by a check, and keeps no other system from being ranked.
    """
    from tunix_ml.evaluation.systems import bring_in_all, recipes_slot

    with clear_failures():
        found = bring_in_all(store.store(), report=context.log.info)
        for name, why in found.refused.items():
            context.log.error(f"{name}: {why}")
        digests = {name: snapshot.digest for name, snapshot in found.reports.items()}
        digests[RECIPES] = recipes_slot(store.store()).resolve().digest
        columns = ["system", "asked", "scorer", "score", "95 % interval", "n"]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(combined_digest(digests)),
            metadata={
                "systems": inline_table(columns, [_row(snapshot) for snapshot in found.reports.values()]),
                "reports": len(found.reports),
                "refused": inline_table(["recipe", "why"], list(found.refused.items())),
                "not_available": inline_table(["recipe", "why"], list(found.unavailable.items())),
                **content_metadata(digests),
            },
        )


def _row(snapshot: Snapshot) -> tuple[object, ...]:
    report = EvalReport.read(snapshot.file("eval.json"))
    metric, score = report.metrics.get(report.primary_metric), report.primary_score
    interval = metric.shown_interval() if metric else "-"
    shown = "-" if score is None else f"{score:.3f}"
    return report.recipe, report.evaluation_set, report.scorer, shown, interval, report.n_items
