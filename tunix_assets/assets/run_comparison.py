"""The asset `run_comparison`."""

import dagster as dg

from asset_checks.catalog import blocking_checks
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import inline_table
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.comparison import CompareConfig, RunComparison
from tunix_ml.evaluation.comparison.numbers import in_unit
from tunix_ml.evaluation.comparison.publish import SUMMARY_FILE, publish_comparison, read_comparison
from tunix_ml.evaluation.comparison.summary import verdict
from tunix_ml.provenance import source_digest
from tunix_ml.registry.validity import COMPLETENESS_CHECK


class RunComparisonConfig(CompareConfig, dg.Config):
    """The run configuration of `run_comparison`."""


@dg.asset(
    deps=["leaderboard"],
    group_name="results",
    code_version=source_digest("evaluation"),
    kinds={"json"},
    retry_policy=RETRIES,
)
def run_comparison(
    context: dg.AssetExecutionContext, config: RunComparisonConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """Two runs side by side: what was configured differently, how far apart they score, and on which items.

    Set `run_a` and `run_b` to ids from the leaderboard. Both must have been asked the same questions and been
    scored the same way; the difference is tested item by item. It is made by hand and is no part of the
    pipeline.
    """
    asked = CompareConfig(**{name: getattr(config, name) for name in CompareConfig.model_fields})
    with clear_failures():
        # Items that one of the runs has no score for are left out, and counted.
        required = [name for name in blocking_checks("eval_report") if name != COMPLETENESS_CHECK]
        snapshot = publish_comparison(store.store(), asked, required_checks=required)
        comparison = read_comparison(snapshot)
        context.log.info(verdict(comparison))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(snapshot.digest),
            metadata={
                "verdict": verdict(comparison),
                "difference": comparison.result.difference,
                "p_value": comparison.result.p_value,
                "items": comparison.result.n,
                "parts": inline_table(["part", "n", "A", "B", "A less B"], _parts(comparison)),
                "comparison": dg.MetadataValue.md(snapshot.file(SUMMARY_FILE).read_text(encoding="utf-8")),
                "content_digest": snapshot.digest,
                "path": dg.MetadataValue.path(snapshot.path),
            },
        )


def _parts(comparison: RunComparison) -> list[tuple[object, ...]]:
    metric = comparison.metric
    whole = (comparison.evaluation_set, comparison.result.n, comparison.run_a.mean, comparison.run_b.mean)
    parts = [(f"{part.group}: {part.name}", part.n, part.mean_a, part.mean_b) for part in comparison.parts]
    return [
        (name, n, in_unit(metric, a), in_unit(metric, b), in_unit(metric, a - b, is_signed=True))
        for name, n, a, b in (whole, *parts)
    ]
