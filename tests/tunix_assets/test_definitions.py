"""The code location as Dagster loads it."""

import dagster as dg

from tunix_assets.definitions import defs


def test_the_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_one_line_from_dataset_to_leaderboard_with_the_benchmark_beside_it() -> None:
    graph = defs.resolve_asset_graph()

    order = [key.to_user_string() for key in graph.toposorted_asset_keys]

    assert not graph.get(dg.AssetKey("throughput_benchmark")).parent_keys
    assert [name for name in order if name != "throughput_benchmark"] == [
        "dataset",
        "sft_export",
        "tokenized_examples",
        "checkpoint",
        "predictions",
        "eval_report",
        "leaderboard",
    ]


def test_only_the_accelerator_work_waits_in_the_accelerator_pool() -> None:
    pools = {asset.key.to_user_string(): asset.op.pool for asset in defs.assets or []}

    assert {name for name, pool in pools.items() if pool == "accelerator"} == {
        "checkpoint",
        "predictions",
        "throughput_benchmark",
    }


def test_runs_execute_in_one_process() -> None:
    assert defs.executor is dg.in_process_executor
