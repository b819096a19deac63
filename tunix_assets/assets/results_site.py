"""The asset `results_site`."""

import dagster as dg

from asset_checks.catalog import blocking_checks
from asset_checks.subject import resolve_subjects
from tunix_assets.automation import FOLLOWS_ITS_INPUTS
from tunix_assets.inputs import clear_failures
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.provenance import source_digest
from tunix_ml.registry.leaderboard import KEY, LEADERBOARD
from tunix_ml.registry.pages import links
from tunix_ml.snapshot import Snapshot


@dg.asset(
    deps=["leaderboard"],
    group_name="results",
    code_version=source_digest("evaluation", "registry"),
    kinds={"html"},
    retry_policy=RETRIES,
    automation_condition=FOLLOWS_ITS_INPUTS,
    pool="catalog",
)
def results_site(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """All results as pages to open in a browser: no server, no account, nothing from a network.

    The leaderboard with filters; a page for every run, with what it did in words, its curves and its texts;
    comparisons of two runs; a card for every dataset version and evaluation set; and the same facts as JSON
    under stable paths. The log names the page to open. It is made anew from each leaderboard.
    """
    from tunix_ml.registry.pages.publish import publish_site

    with clear_failures():
        (shown,) = resolve_subjects(context, store.store(), LEADERBOARD, KEY)
        snapshot = publish_site(
            store.store(), required_checks=blocking_checks(LEADERBOARD), made_from=shown.snapshot.digest
        )
    page = snapshot.path / links.INDEX
    context.log.info(f"results: {page}")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "page": dg.MetadataValue.path(page),
            "runs": _count(snapshot, "runs/") - 1,
            "comparisons": _count(snapshot, "compare/") - 1,
            "datasets": _count(snapshot, "datasets/") - 1,
            "evaluation_sets": _count(snapshot, "evaluation-sets/"),
            "files": len(snapshot.record.files),
            "megabytes": round(sum(file.num_bytes for file in snapshot.record.files.values()) / 1e6, 1),
            "content_digest": snapshot.digest,
            "path": dg.MetadataValue.path(snapshot.path),
        },
    )


def _count(snapshot: Snapshot, folder: str) -> int:
    return sum(name.startswith(folder) for name in snapshot.record.files)
