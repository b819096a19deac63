import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.training import CheckpointRecord, ExecutionConfig, RunIdentity
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.metrics import read_metrics

Identify = Callable[..., RunIdentity]


def job(store: Store, identity: RunIdentity, **execution: Any) -> Path:
    config = ExecutionConfig.model_validate({"device": "cpu", "log_every_steps": 1, **execution})
    path = store.home / "job.json"
    path.write_text(
        json.dumps(
            {
                "home": str(store.home),
                "identity": identity.model_dump(mode="json"),
                "execution": config.model_dump(mode="json"),
            }
        )
    )
    return path


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tunix_ml.training", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(path: Path) -> tuple[str, str]:
    with start(path) as process:
        return process.communicate(timeout=120)


def kill_when(path: Path, condition: Callable[[], bool]) -> None:
    """Start a job and kill it as soon as a condition holds."""
    deadline = time.monotonic() + 120
    with start(path) as process:
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)


def has_rows(run: RunDirectory, num_rows: int) -> bool:
    path = run.path / "metrics.jsonl"
    return path.exists() and path.read_bytes().count(b"\n") >= num_rows


def is_saving(run: RunDirectory, step: int) -> bool:
    """A step's directory is there and its seal is not: a save is under way."""
    path = run.path / "checkpoints" / str(step)
    return path.is_dir() and not (path / "integrity.json").exists()


def numbers(run: RunDirectory) -> list[tuple[int, str, str]]:
    rows = read_metrics(run.path / "metrics.jsonl")
    return [(row.step, row.loss.hex(), row.grad_norm.hex()) for row in rows]


@pytest.mark.slow
def test_a_run_killed_twice_ends_as_the_uninterrupted_one(
    sums: Store, identify: Identify, tmp_path: Path
) -> None:
    """Once between two checkpoints, once in the middle of a save."""
    identity = identify(sums, num_train_steps=40, num_layers=2)
    whole = Store(tmp_path / "whole")
    whole.home.mkdir()
    (whole.home / "lake").symlink_to(sums.home / "lake")
    killed_run, whole_run = (store.run(identity.run_id()) for store in (sums, whole))

    finish(job(whole, identity, save_every_steps=10))
    path = job(sums, identity, save_every_steps=10)
    kill_when(path, lambda: has_rows(killed_run, 15))
    kill_when(path, lambda: is_saving(killed_run, 30))
    out, err = finish(path)

    assert "checkpoint 30 was never finished; set aside" in out, err
    assert f"resuming {identity.run_id()} on cpu after step 20/40" in out
    assert numbers(killed_run) == numbers(whole_run)
    records = [CheckpointRecord.read(run.path / "checkpoint.json") for run in (killed_run, whole_run)]
    assert records[0].model_digest == records[1].model_digest
    assert len(numbers(killed_run)) == 40


def test_a_job_that_cannot_be_done_fails_in_a_sentence(sums: Store, identify: Identify) -> None:
    identity = identify(sums)
    path = job(sums, identity, resume_from="7")
    environment = {**os.environ, "TUNIX_WORKER_FAILURE": str(sums.home / "failure")}

    result = subprocess.run(
        [sys.executable, "-m", "tunix_ml.training", str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr.startswith("resume_from '7' is neither 'latest' nor 'none'")
    assert (sums.home / "failure").read_text() == result.stderr


def test_a_job_with_an_unknown_key_is_refused(sums: Store, identify: Identify) -> None:
    path = job(sums, identify(sums))
    path.write_text(path.read_text().replace('"home"', '"house"'))

    _, err = finish(path)

    assert "the job is not a TrainJob: home: Field required" in err
    assert "house: Extra inputs are not permitted" in err
