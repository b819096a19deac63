"""What is made without being asked for, tick by tick."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from asset_checks.catalog import blocking_checks
from tunix_assets.automation import keep_up_to_date
from tunix_assets.definitions import defs
from tunix_assets.partitions import DATASET_VERSIONS, catalog_keys

MINE, OTHER = "mine-v1", "golden-v1"
RECIPE = """
description: mine
license: MIT
source: {kind: generator, generator: golden, seed: 1, num_traces: 60}
"""
BY_HAND = {
    "registered_model",
    "run_comparison",
    "judge_calibration",
    "judged_eval",
    "judged_report",
    "submission_bundle",
    "sweep",
}


class Ticks:
    """The automation of an instance, evaluated tick by tick; what is made is reported, not computed."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._cursor: dg.AutomationCondition | None = None

    def requested(self) -> dict[str, set[str]]:
        """Return the partitions that a tick asks for, by asset."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # of dagster's own call, as of 1.13
            result = dg.evaluate_automation_conditions(defs, self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        return {
            one.key.to_user_string(): {
                key.partition_key or "all" for key in one.true_subset.expensively_compute_asset_partitions()
            }
            for one in result.results
            if not one.true_subset.is_empty
        }

    def make(
        self, asset: str, partition: str | None = MINE, *, content: str = "1", passed: bool = True
    ) -> None:
        """Make a stand-in for an asset, whose blocking checks all say the same."""
        partitions_def = DATASET_VERSIONS if partition else None

        @dg.asset(name=asset, partitions_def=partitions_def)
        def stand_in() -> dg.MaterializeResult[None]:
            return dg.MaterializeResult(data_version=dg.DataVersion(content))

        def check() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=passed)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)  # partitions_def of a check, as of 1.13
            checks = [
                dg.asset_check(asset=stand_in, name=name, blocking=True, partitions_def=partitions_def)(check)
                for name in blocking_checks(asset)
            ]
        dg.materialize(
            [stand_in, *checks], partition_key=partition, instance=self.instance, raise_on_error=False
        )


@pytest.fixture
def ticks(home: Path) -> Iterator[Ticks]:
    """An instance that knows every partition, whose first tick is over, with evaluation sets."""
    recipe(home, train=False)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("dataset_version", catalog_keys())
        ticks = Ticks(instance)
        ticks.make("evaluation_sets", None)
        ticks.make("external_systems", None)
        ticks.requested()
        yield ticks


def recipe(home: Path, *, train: bool) -> None:
    (home / "recipes").mkdir(parents=True, exist_ok=True)
    (home / "recipes" / f"{MINE}.yaml").write_text(f"{RECIPE}train: {str(train).lower()}\n")


def prepare(ticks: Ticks) -> None:
    for asset in ("dataset", "sft_export", "tokenized_examples"):
        ticks.make(asset)
        ticks.requested()
    ticks.make("dataset_quality")
    ticks.requested()


def test_on_a_fresh_instance_only_the_evaluation_sets_are_made(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("dataset_version", catalog_keys())

        assert Ticks(instance).requested() == {"evaluation_sets": {"all"}}


def test_a_new_dataset_has_its_quality_judged_and_its_exports_made_one_after_the_other(ticks: Ticks) -> None:
    ticks.make("dataset")
    assert ticks.requested() == {"dataset_quality": {MINE}, "sft_export": {MINE}}

    ticks.make("sft_export")
    assert ticks.requested() == {"tokenized_examples": {MINE}}

    ticks.make("tokenized_examples")
    assert ticks.requested() == {}


def test_a_partition_that_is_new_itself_is_made_in_one_run(ticks: Ticks, home: Path) -> None:
    new = "new-v1"
    (home / "recipes" / f"{new}.yaml").write_text(f"{RECIPE}train: true\n")
    ticks.instance.add_dynamic_partitions("dataset_version", [new])
    ticks.requested()
    ticks.make("dataset", new)

    asked = ticks.requested()

    line = ("dataset_quality", "sft_export", "tokenized_examples", "checkpoint", "predictions", "eval_report")
    assert asked == {asset: {new} for asset in line}


def test_a_dataset_that_fails_a_blocking_check_leaves_what_hangs_on_it(ticks: Ticks) -> None:
    prepare(ticks)

    ticks.make("dataset", content="2", passed=False)

    assert ticks.requested() == {}
    assert ticks.requested() == {}


def test_one_bad_dataset_does_not_hold_up_another(ticks: Ticks) -> None:
    ticks.make("dataset", MINE, passed=False)
    ticks.make("dataset", OTHER)

    assert ticks.requested() == {"dataset_quality": {OTHER}, "sft_export": {OTHER}}


def test_what_is_made_again_with_the_same_content_changes_nothing(ticks: Ticks) -> None:
    prepare(ticks)

    ticks.make("dataset", content="1")

    assert ticks.requested() == {}


def test_only_what_hangs_on_a_changed_asset_is_made_again(ticks: Ticks) -> None:
    prepare(ticks)

    ticks.make("sft_export", content="2")

    assert ticks.requested() == {"tokenized_examples": {MINE}}


def test_training_starts_by_itself_only_where_the_recipe_asks(ticks: Ticks, home: Path) -> None:
    prepare(ticks)
    assert ticks.requested() == {}

    recipe(home, train=True)
    ticks.make("tokenized_examples", content="2")

    assert ticks.requested() == {"checkpoint": {MINE}}


def test_a_recipe_that_cannot_be_read_asks_for_nothing(ticks: Ticks, home: Path) -> None:
    (home / "recipes" / f"{MINE}.yaml").write_text("train: [")
    prepare(ticks)

    assert ticks.requested() == {}


def test_what_was_trained_is_asked_scored_ranked_and_shown(ticks: Ticks, home: Path) -> None:
    recipe(home, train=True)
    prepare(ticks)
    followed = []
    for asset, partition in (("checkpoint", MINE), ("predictions", MINE), ("eval_report", MINE)):
        ticks.make(asset, partition)
        followed.append(ticks.requested())
    ticks.make("leaderboard", None)
    followed.append(ticks.requested())

    assert followed == [
        {"predictions": {MINE}},
        {"eval_report": {MINE}},
        {"leaderboard": {"all"}},
        {"results_site": {"all"}},
    ]


def test_a_report_is_ranked_only_when_its_checks_have_passed(ticks: Ticks) -> None:
    ticks.make("eval_report", passed=False)
    assert "leaderboard" not in ticks.requested()

    ticks.make("eval_report", content="2")

    assert ticks.requested() == {"leaderboard": {"all"}}


def test_another_evaluation_set_judges_datasets_again_and_decodes_nothing(ticks: Ticks, home: Path) -> None:
    recipe(home, train=True)
    prepare(ticks)
    for asset in ("checkpoint", "predictions"):
        ticks.make(asset)
        ticks.requested()

    ticks.make("evaluation_sets", None, content="2")
    asked = ticks.requested()

    assert asked["dataset_quality"] == {MINE}
    assert asked["external_systems"] == {"all"}
    assert "predictions" not in asked


def test_what_is_made_by_hand_has_no_condition() -> None:
    without = {
        spec.key.to_user_string()
        for asset in defs.assets or []
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.specs
        if spec.automation_condition is None
    }

    assert without == BY_HAND | {"dataset", "throughput_benchmark"}


def test_the_sensor_runs_by_default_and_says_what_it_does() -> None:
    assert keep_up_to_date.default_status == dg.DefaultSensorStatus.RUNNING
    assert "`train: true`" in str(keep_up_to_date.description)
    assert keep_up_to_date.run_tags["tunix/started_by"] == keep_up_to_date.name


# Versions that the catalog has, and the instance does not know yet


def tick(instance: dg.DagsterInstance, cursor: str | None) -> tuple[set[tuple[str, str | None]], str | None]:
    """Evaluate the sensor as the daemon does; return what it asks for, by asset and partition."""
    context = dg.build_sensor_context(instance, cursor, repository_def=defs.get_repository_def())
    result = keep_up_to_date.evaluate_tick(context)
    asked = {
        (key.to_user_string(), request.partition_key)
        for request in result.run_requests or []
        for key in request.asset_selection or []
    }
    return asked, result.cursor


def test_what_was_made_before_its_version_was_registered_is_followed(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ticks = Ticks(instance)
        ticks.make("evaluation_sets", None)
        ticks.make("external_systems", None)
        _, cursor = tick(instance, None)
        ticks.make("dataset", OTHER)

        first, cursor = tick(instance, cursor)
        instance.add_dynamic_partitions("dataset_version", catalog_keys())
        ticks.make("sft_export", OTHER)
        second, cursor = tick(instance, cursor)

    assert first == {("dataset_quality", OTHER), ("sft_export", OTHER)}
    assert second == {("tokenized_examples", OTHER)}


def test_a_version_that_leaves_the_catalog_before_it_is_registered_stops_nothing(home: Path) -> None:
    recipe(home, train=False)
    with dg.DagsterInstance.ephemeral() as instance:
        ticks = Ticks(instance)
        ticks.make("evaluation_sets", None)
        ticks.make("external_systems", None)
        ticks.make("dataset", MINE)
        ticks.make("dataset", OTHER)
        _, cursor = tick(instance, None)

        (home / "recipes" / f"{MINE}.yaml").unlink()
        ticks.make("sft_export", OTHER)
        asked, cursor = tick(instance, cursor)

    assert asked == {("tokenized_examples", OTHER)}
