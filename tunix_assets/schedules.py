"""The schedules: every night what recipes ask for is made and gated, every week each digest is compared."""

from collections.abc import Iterator

import dagster as dg

from asset_checks.subject import GATE_TAG
from tunix_assets.jobs import nightly, verify
from tunix_assets.resources import StoreResource
from tunix_ml.contracts.base import TunixError
from tunix_ml.store import Store

_RANKING = (dg.AssetKey("leaderboard"), dg.AssetKey("results_site"))
_BUILDING = (dg.AssetKey("dataset"),)


@dg.schedule(
    job=nightly,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Builds every published dataset version again, evaluates it where the recipe says"
    " `train: true`, and ranks. A score that has significantly fallen fails the run.",
)
def every_night(context: dg.ScheduleEvaluationContext, store: StoreResource) -> Iterator[dg.RunRequest]:
    """At 02:00 UTC build every published dataset version again, and evaluate where the recipe asks for it.

    What is unchanged is adopted, so that a night without news is short. A score that has significantly
    fallen below the best one fails the run: it bears the tag `tunix/gate: error`. A night without a version
    that trains ranks what there is.
    """
    moment = context.scheduled_execution_time.strftime("%Y-%m-%d")
    trains = False
    for version, is_trained in _published(store.store()):
        trains = trains or is_trained
        yield dg.RunRequest(
            run_key=f"{moment}:{version}",
            partition_key=version,
            asset_selection=None if is_trained else list(_BUILDING),
            tags={GATE_TAG: "error"},
        )
    if not trains:
        yield dg.RunRequest(run_key=f"{moment}:ranking", asset_selection=list(_RANKING))


@dg.schedule(
    job=verify,
    cron_schedule="0 4 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Compares every published file with the digest it was published under.",
)
def every_week(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """On Sundays at 04:00 UTC compare every published file with the digest it was published under."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.strftime("%Y-%m-%d"))


def _published(store: Store) -> Iterator[tuple[str, bool]]:
    """Yield each dataset version that is published and in the catalog, and whether its recipe says train."""
    from tunix_ml.datasets.catalog import dataset_versions, load_recipe

    for version in dataset_versions(store.home):
        if store.slot("dataset", version).pointer() is None:
            continue
        try:
            yield version, load_recipe(version, store.home).recipe.train
        except TunixError:  # the build of this night says what is wrong with it
            yield version, False


SCHEDULES = (every_night, every_week)
