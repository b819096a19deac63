"""The schedules of the night and of the week."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_assets.resources import StoreResource
from tunix_assets.schedules import every_night, every_week
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import load_recipe
from tunix_ml.store import Store

SUNDAY = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)
RECIPE = (
    "description: x\nlicense: MIT\nsource: {kind: generator, generator: golden, seed: 1, num_traces: 60}\n"
)


@pytest.fixture
def built(home: Path) -> Path:
    """A home with the dataset version `mine-v1`."""
    (home / "recipes").mkdir(parents=True)
    (home / "recipes" / "mine-v1.yaml").write_text(RECIPE)
    build_dataset(Store(home), load_recipe("mine-v1", home), report=lambda line: None)
    return home


def night() -> dict[str | None, dg.RunRequest]:
    context = dg.build_schedule_context(
        scheduled_execution_time=SUNDAY,
        resources={"store": StoreResource()},
        repository_def=defs.get_repository_def(),
    )
    requests = every_night.evaluate_tick(context).run_requests or []
    return {request.partition_key: request for request in requests}


def test_a_night_without_a_dataset_ranks_what_there_is(home: Path) -> None:
    (request,) = night().values()

    assert {key.to_user_string() for key in request.asset_selection or []} == {"leaderboard", "results_site"}
    assert request.run_key == "2026-01-04:ranking"


def test_a_published_dataset_is_built_again_and_nothing_is_trained(built: Path) -> None:
    request = night()["mine-v1"]

    assert [key.to_user_string() for key in request.asset_selection or []] == ["dataset"]
    assert request.run_key == "2026-01-04:mine-v1"


def test_where_the_recipe_asks_the_whole_way_is_gone_and_a_regression_is_an_error(built: Path) -> None:
    (built / "recipes" / "mine-v1.yaml").write_text(f"{RECIPE}train: true\n")

    requests = night()

    assert list(requests) == ["mine-v1"]
    assert requests["mine-v1"].asset_selection is None
    assert requests["mine-v1"].tags["tunix/gate"] == "error"


def test_a_recipe_that_broke_is_built_so_that_the_night_says_why(built: Path) -> None:
    (built / "recipes" / "mine-v1.yaml").write_text("source: [")

    assert [key.to_user_string() for key in night()["mine-v1"].asset_selection or []] == ["dataset"]


def test_digests_are_compared_once_a_week() -> None:
    request = every_week.evaluate_tick(
        dg.build_schedule_context(scheduled_execution_time=SUNDAY)
    ).run_requests

    assert [one.run_key for one in request or []] == ["2026-01-04"]


@pytest.mark.parametrize(("schedule", "cron"), [(every_night, "0 2 * * *"), (every_week, "0 4 * * 0")])
def test_schedules_run_by_default_in_utc(schedule: dg.ScheduleDefinition, cron: str) -> None:
    assert schedule.cron_schedule == cron
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
