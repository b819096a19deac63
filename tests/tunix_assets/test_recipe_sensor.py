"""The sensor for changed recipes."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.recipe_sensor import changed_recipes
from tunix_assets.resources import StoreResource

RECIPE = (
    "description: {}\nlicense: MIT\nsource: {{kind: generator, generator: golden, seed: 1, num_traces: 9}}\n"
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def recipe(home: Path) -> Path:
    path = home / "recipes" / "mine-v1.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(RECIPE.format("first"))
    return path


def tick(instance: dg.DagsterInstance, cursor: str | None) -> tuple[list[dg.RunRequest], str]:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"store": StoreResource()})
    outcome = changed_recipes(context)
    requests = outcome.run_requests if isinstance(outcome, dg.SensorResult) else None
    return list(requests or []), context.cursor or ""


def test_recipes_that_stay_as_they_are_build_nothing(recipe: Path, instance: dg.DagsterInstance) -> None:
    first, cursor = tick(instance, None)
    second, _ = tick(instance, cursor)

    assert first == second == []


def test_a_changed_recipe_builds_its_version_once(recipe: Path, instance: dg.DagsterInstance) -> None:
    _, cursor = tick(instance, None)
    recipe.write_text(RECIPE.format("second"))

    settling, cursor = tick(instance, cursor)
    told, cursor = tick(instance, cursor)
    after, _ = tick(instance, cursor)

    assert settling == after == []
    assert [request.partition_key for request in told] == ["mine-v1"]
    assert str(told[0].run_key).startswith("mine-v1:1:")


def test_a_broken_recipe_does_not_stop_another(recipe: Path, instance: dg.DagsterInstance) -> None:
    other = recipe.with_name("other-v1.yaml")
    other.write_text(RECIPE.format("first"))
    _, cursor = tick(instance, None)
    recipe.write_text("source: [")
    other.write_text(RECIPE.format("second"))

    _, cursor = tick(instance, cursor)
    told, _ = tick(instance, cursor)

    assert {request.partition_key for request in told} == {"mine-v1", "other-v1"}
