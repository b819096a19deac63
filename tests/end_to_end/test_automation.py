"""From a file in the inbox to a ranked row with nobody at work: sensors tick, what they ask for is made."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_assets.partitions import catalog_keys
from tunix_ml.registry.run_states import open_failures, run_states
from tunix_ml.store import Store

VERSION = "mine-v1"
RECIPE = """
description: {}
license: MIT
train: true
source: {{kind: jsonl, path: {}}}
"""
SMALL: dict[str, Any] = {
    "tokenized_examples": {"vocab_size": 320, "seq_len": 192},
    "checkpoint": {
        "num_layers": 1,
        "hidden_size": 32,
        "num_heads": 2,
        "intermediate_size": 64,
        "num_train_steps": 4,
        "warmup_steps": 2,
        "batch_size": 4,
        "save_every_steps": 4,
        "eval_every_steps": 4,
    },
    "predictions": {"max_new_tokens": 8},
}
SENSORS = ("inbox", "changed_recipes", "run_failed", "run_succeeded", "keep_up_to_date")
MOST_ROUNDS = 20


class Nobody:
    """The daemon's part, in this process: it ticks the sensors and makes what they ask for, one at a time."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._cursors: dict[str, str | None] = {}
        self._seen: set[tuple[str, str]] = set()
        self._sensors: dict[str, Any] = {sensor.name: sensor for sensor in defs.sensors or []}

    def work(self) -> set[str]:
        """Tick until nothing is asked for any more, and return the assets that were asked for."""
        made: set[str] = set()
        quiet = 0
        for _ in range(MOST_ROUNDS):
            requests = [request for name in SENSORS for request in self._tick(name)]
            for job, request in requests:
                made |= self._execute(job, request)
            quiet = 0 if requests else quiet + 1
            if quiet == 3:  # a file has to keep its content between two looks
                return made
        raise AssertionError(f"there is no end to it: {made}")

    def _tick(self, name: str) -> Iterator[tuple[str | None, dg.RunRequest]]:
        sensor = self._sensors[name]
        # A run of this process belongs to no repository; a sensor of runs sees only those of its own.
        repository = None if name.startswith("run_") else defs.get_repository_def()
        context = dg.build_sensor_context(
            self._instance, self._cursors.get(name), repository_def=repository, resources=defs.resources
        )
        result = sensor.evaluate_tick(context)
        self._cursors[name] = result.cursor
        for request in result.dynamic_partitions_requests or []:
            self._instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        for request in result.run_requests or []:
            if request.run_key is None or (name, request.run_key) not in self._seen:
                self._seen.add((name, request.run_key))
                yield None if request.asset_selection else sensor.job.name, request

    def _execute(self, job: str | None, request: dg.RunRequest) -> set[str]:
        if job:
            defs.resolve_job_def(job).execute_in_process(
                partition_key=request.partition_key, instance=self._instance, raise_on_error=False
            )
            return {job}
        names = {key.to_user_string() for key in request.asset_selection or []}
        config = {"ops": {name: {"config": SMALL[name]} for name in names & SMALL.keys()}}
        dg.materialize(
            [*(defs.assets or []), *(defs.asset_checks or [])],  # type: ignore[list-item]
            selection=dg.AssetSelection.assets(*names),
            partition_key=request.partition_key,
            instance=self._instance,
            resources=defs.resources,
            run_config=config,
            raise_on_error=False,
        )
        return names


def rows() -> Iterator[bytes]:
    for number in range(60):
        step = {"i": 0, "type": "calculate", "content": f"{number} + 7 = {number + 7}"}
        trace = {
            "trace_version": "1.0",
            "prompt": f"What is {number} + 7?",
            "steps": [step],
            "final_answer": str(number + 7),
        }
        yield json.dumps(trace).encode()


@pytest.mark.slow
@pytest.mark.nightly
def test_a_file_becomes_a_ranked_row_a_change_rebuilds_and_a_fault_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TUNIX_HOME", str(home))
    store = Store(home)
    (home / "inbox").mkdir(parents=True)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("dataset_version", catalog_keys())
        nobody = Nobody(instance)
        nobody.work()

        (home / "inbox" / "mine.jsonl").write_bytes(b"\n".join(rows()))
        (home / "inbox" / f"{VERSION}.yaml").write_text(RECIPE.format("first", "mine.jsonl"))
        made = nobody.work()

        assert {"build_dataset", "checkpoint", "predictions", "eval_report", "leaderboard"} <= made
        assert [state.state for state in run_states(store)] == ["completed"]
        board = store.slot("leaderboard", "all").resolve()
        assert VERSION in board.file("leaderboard.json").read_text()

        recipe = home / "recipes" / f"{VERSION}.yaml"
        recipe.write_text(recipe.read_text().replace("first", "second"))
        assert nobody.work() == {"build_dataset"}

        before = store.slot("dataset", VERSION).pointer()
        recipe.write_text(recipe.read_text().replace("mine.jsonl", "gone.jsonl"))
        assert nobody.work() == {"build_dataset", "results"}

        (failure,) = open_failures(store)
        assert (failure.failed_asset, failure.dataset_version) == ("dataset", VERSION)
        assert "gone.jsonl" in str(failure.reason)
        assert store.slot("dataset", VERSION).pointer() == before
        assert store.slot("leaderboard", "all").resolve().digest == board.digest
