"""The asset `leaderboard`."""

from datetime import timedelta

import dagster as dg

from asset_checks.catalog import blocking_checks
from tunix_assets.automation import RANKS_WHAT_PASSED
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import inline_table
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.provenance import source_digest
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.snapshot import StoreError

_FRESHNESS = dg.FreshnessPolicy.cron(
    deadline_cron="0 8 * * *", lower_bound_delta=timedelta(hours=24), timezone="UTC"
)  # the schedule `nightly` ranks again at 02:00
_SUMMARY = """
    SELECT coalesce(rank::VARCHAR, '-'), coalesce(tie_group::VARCHAR, '-'), evaluation_set, recipe,
           coalesce(format('{:.3f}', primary_score), '-'),
           coalesce(format('{:.3f}\u00a0to\u00a0{:.3f}', ci95_low, ci95_high), '-'), n_items,
           status || if(reason = '', '', ': ' || reason)
    FROM leaderboard
"""
_COLUMNS = ["rank", "ties", "asked", "recipe", "score", "95 % interval", "n", "status"]


@dg.asset(
    deps=["eval_report", "external_systems"],
    group_name="results",
    code_version=source_digest("registry"),
    kinds={"duckdb"},
    retry_policy=RETRIES,
    automation_condition=RANKS_WHAT_PASSED,
    pool="catalog",
    freshness_policy=_FRESHNESS,
)
def leaderboard(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """All evaluated runs side by side, ranked among those asked the same questions and scored the same way.

    A row is ranked only if every item was scored, the checks of its report passed, and dataset, predictions
    and scorer are still those it was made with; otherwise its status says what is wrong.
    """
    from dagster_duckdb import DuckDBResource

    from tunix_ml.registry.catalog import create_views, rebuild_catalog

    with clear_failures(), DuckDBResource(database=":memory:").get_connection() as connection:
        snapshot = publish_leaderboard(store.store(), required_checks=blocking_checks("eval_report"))
        try:
            rebuild_catalog(store.store())
        except StoreError as error:
            context.log.warning(f"catalog.duckdb is left as it was: {error}")
        create_views(connection, store.store(), tables=("leaderboard",))
        rows = connection.execute(_SUMMARY).fetchall()
    for row in rows:
        context.log.info("  ".join(map(str, row)))
    page = snapshot.path / "README.md"
    context.log.info(f"leaderboard: {page} (the asset results_site makes pages of it)")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "rows": len(rows),
            "ranked": sum(row[0] != "-" for row in rows),
            "leaderboard": inline_table(_COLUMNS, rows),
            "page": dg.MetadataValue.path(page),
            "content_digest": snapshot.digest,
            "path": dg.MetadataValue.path(snapshot.path),
        },
    )
