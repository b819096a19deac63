"""The driver of a sweep killed with SIGKILL while a trial trains: nothing is left over, the sweep goes on."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tunix_ml.contracts.sweep import SweepIdentity, SweepReport, SweepSpec
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.training.identify import identify
from tunix_ml.training.metrics import read_metrics
from tunix_ml.tuning.sweep import SweepJob
from tunix_ml.tuning.trials import read_trials

NUM_STEPS = 400
TRAIN = TrainConfig(
    recipe="swept",
    num_layers=1,
    hidden_size=16,
    num_heads=2,
    intermediate_size=24,
    batch_size=4,
    num_train_steps=NUM_STEPS,
)
EXECUTION = ExecutionConfig(device="cpu", log_every_steps=5, save_every_steps=20, eval_every_steps=100)

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture
def job(store: Store, tokenized: Snapshot) -> SweepJob:
    spec = SweepSpec(
        space={"learning_rate": {"choice": [0.001, 0.003, 0.01]}},
        num_trials=3,
        first_rung_steps=200,
        reduction_factor=2,
        seeds=[],
    )
    identity = SweepIdentity(base=identify(tokenized, TRAIN), spec=spec)
    return SweepJob(home=store.home, identity=identity, execution=EXECUTION)


def start(job: SweepJob) -> subprocess.Popen[str]:
    path = job.home / "job.json"
    path.write_bytes(job.to_json())
    command = [sys.executable, "-m", "tunix_ml.tuning.sweep_worker", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def trainers(home: Path) -> list[int]:
    """Return the processes that have a file of the store open or work for it."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            folders = {str(one.readlink()) for one in (path / "fd").iterdir()}
        except OSError:
            continue
        if b"tunix_ml.training" in command and any(folder.startswith(str(home)) for folder in folders):
            found.append(int(path.name))
    return found


def test_a_driver_killed_while_a_trial_trains_leaves_nothing_and_goes_on_from_its_checkpoint(
    store: Store, job: SweepJob
) -> None:
    driver = start(job)
    wait_for(lambda: any(has_saved(store, run_id) for run_id in store.run_ids()), timeout_s=300)
    (pid,) = trainers(store.home)
    driver.kill()
    driver.communicate()

    wait_for(lambda: not Path(f"/proc/{pid}").exists(), timeout_s=5)
    (begun,) = [store.run(run_id) for run_id in store.run_ids()]
    before = read_metrics(begun.path / "metrics.jsonl")[-1].step
    out, err = start(job).communicate(timeout=600)

    assert "they go on" in out, err
    assert "after step" in out
    trials = read_trials(store.slot("sweep", "golden-v2").resolve())
    report = SweepReport.read(store.slot("sweep", "golden-v2").resolve().file("sweep.json"))
    assert 0 < before < NUM_STEPS
    assert sorted(trial.status for trial in trials) == ["complete", "pruned", "pruned"]
    steps = [row.step for row in read_metrics(begun.path / "metrics.jsonl")]
    assert steps == sorted(set(steps))
    assert report.best_metric == min(trial.metric for trial in trials if trial.metric is not None)


def has_saved(store: Store, run_id: str) -> bool:
    return any(store.run(run_id).path.glob("checkpoints/[0-9]*/integrity.json"))
