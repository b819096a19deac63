"""Runs that were killed, for real: by SIGKILL while they hold the only place in a pool."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from tunix_assets.doctor import orchestration
from tunix_assets.doctor.orchestration import examine_runs, examine_slots, stuck_runs

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
import dagster as dg

@dg.asset(pool="accelerator")
def slow():
    print("holding", flush=True)
    time.sleep(120)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    dg.materialize([slow], instance=instance)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def run_process(instance: dg.DagsterInstance, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs an asset and holds the place in its pool."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        assert "holding" in process.stdout.readline()
        yield process
        process.kill()


def test_a_killed_run_is_reported_as_failed_and_its_place_in_the_pool_is_freed(
    instance: dg.DagsterInstance, run_process: "subprocess.Popen[str]"
) -> None:
    assert examine_runs(instance, fix=True).health == "well"
    assert examine_slots(instance, fix=True).health == "well"
    os.kill(run_process.pid, signal.SIGKILL)
    run_process.wait()

    found = examine_runs(instance, fix=False)
    mended = [examine_runs(instance, fix=True), examine_slots(instance, fix=True)]

    assert found.health == "wrong"
    assert f"its process {run_process.pid} is gone: run it with --fix" in found.sentence
    assert [finding.health for finding in mended] == ["mended", "mended"]
    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_run_ids() == set()
    assert examine_runs(instance, fix=False).health == "well"
    assert examine_slots(instance, fix=False).health == "well"


def test_a_slot_of_an_ended_run_is_wrong_until_it_is_freed(
    instance: dg.DagsterInstance, run_process: "subprocess.Popen[str]"
) -> None:
    run_process.kill()
    run_process.wait()
    examine_runs(instance, fix=True)

    found = examine_slots(instance, fix=False)

    assert (found.health, "still holds a place in a pool" in found.sentence) == ("wrong", True)


def test_a_run_that_has_not_said_where_it_runs_is_not_judged(instance: dg.DagsterInstance) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def job() -> None:
        nothing()

    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)

    assert list(stuck_runs(instance)) == []


def test_a_shared_instance_is_left_to_its_daemon(instance: dg.DagsterInstance) -> None:
    with mock.patch.object(orchestration, "is_local", return_value=False):
        assert examine_runs(instance, fix=True).health == "unknown"


def test_without_an_instance_there_is_nothing_to_judge() -> None:
    assert {examine_runs(None, fix=True).health, examine_slots(None, fix=True).health} == {"unknown"}


def test_an_instance_without_pools_has_no_slots(instance: dg.DagsterInstance) -> None:
    with mock.patch.object(type(instance.event_log_storage), "supports_global_concurrency_limits", new=False):
        assert examine_slots(instance, fix=True).sentence == "the instance knows no pools"
