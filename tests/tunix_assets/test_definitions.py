"""The code location as Dagster loads it."""

import itertools

import dagster as dg

from tunix_assets.definitions import defs


def test_the_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def parents(asset: str) -> set[str]:
    keys = defs.resolve_asset_graph().get(dg.AssetKey(asset)).parent_keys
    return {key.to_user_string() for key in keys}


def test_the_graph_is_one_line_from_dataset_to_leaderboard() -> None:
    line = ["dataset", "sft_export", "tokenized_examples", "checkpoint", "predictions", "eval_report"]

    assert all(first in parents(second) for first, second in itertools.pairwise([*line, "leaderboard"]))
    assert not parents("dataset")


def test_evaluation_sets_and_foreign_systems_come_in_beside_it() -> None:
    assert not parents("evaluation_sets")
    assert parents("predictions") == {"checkpoint", "evaluation_sets"}
    assert parents("external_systems") == {"evaluation_sets"}
    assert parents("leaderboard") == {"eval_report", "external_systems"}


def test_what_a_judge_says_is_made_by_hand_and_holds_up_nobody() -> None:
    assert parents("judged_report") == {"judged_eval"}
    assert parents("judged_eval") == {"predictions"}
    assert not parents("judge_calibration") | parents("throughput_benchmark")


def test_only_the_accelerator_work_waits_in_the_accelerator_pool() -> None:
    pools = {asset.key.to_user_string(): asset.op.pool for asset in defs.assets or []}

    assert {name for name, pool in pools.items() if pool == "accelerator"} == {
        "checkpoint",
        "judge_calibration",
        "judged_eval",
        "sweep",
        "predictions",
        "registered_model",
        "throughput_benchmark",
    }


def test_only_one_run_at_a_time_ranks_or_makes_pages() -> None:
    pools = {asset.key.to_user_string(): asset.op.pool for asset in defs.assets or []}

    assert {name for name, pool in pools.items() if pool == "catalog"} == {"leaderboard", "results_site"}


def test_the_leaderboard_says_when_it_is_too_old() -> None:
    policies = {
        spec.key.to_user_string(): spec.freshness_policy
        for asset in defs.assets or []
        for spec in asset.specs
        if spec.freshness_policy
    }

    assert set(policies) == {"leaderboard"}


def test_everything_that_watches_is_described_and_runs() -> None:
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}

    assert {
        "register_dataset_versions",
        "inbox",
        "changed_recipes",
        "champion_changed",
        "keep_up_to_date",
    } < sensors.keys()
    assert all(sensor.description for sensor in sensors.values())
    assert {sensor.default_status for sensor in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    assert {schedule.name for schedule in defs.schedules or []} == {"every_night", "every_week"}


def test_runs_execute_in_one_process() -> None:
    assert defs.executor is dg.in_process_executor
