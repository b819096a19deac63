"""A training killed with SIGKILL at random, or asked to end: the run goes on as if nothing had happened.

TUNIX_NUM_KILLS=20 pytest tests/faults/test_training_killed.py kills it more often than the suite does.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import CheckpointRecord, ExecutionConfig, RunIdentity, TrainConfig
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.__main__ import TrainJob
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.metrics import read_metrics

NUM_KILLS = int(os.environ.get("TUNIX_NUM_KILLS", "2"))
NUM_STEPS = 60 + 10 * NUM_KILLS
EXECUTION = ExecutionConfig(
    device="cpu", log_every_steps=1, save_every_steps=5, eval_every_steps=10, gradient_accumulation_steps=2
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of all tests keep what they have compiled."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def identity(store: Store, tokenized: Snapshot, compiled: Path) -> RunIdentity:
    """A run with dropout, whose every step depends on its number and on all before it."""
    (store.home / "cache").symlink_to(compiled)
    manifest = TokensManifest.read(tokenized.file("tokens.json"))
    return RunIdentity(
        dataset_version=manifest.dataset_version,
        dataset_digest=manifest.dataset_digest,
        export_digest=manifest.export_digest,
        tokens_digest=tokenized.digest,
        template=manifest.template,
        train=TrainConfig(
            num_layers=1,
            hidden_size=16,
            num_heads=2,
            intermediate_size=24,
            num_train_steps=NUM_STEPS,
            batch_size=4,
            dropout=0.1,
        ),
        code_version="of the test",
    )


@pytest.fixture
def whole(store: Store, identity: RunIdentity, tmp_path: Path) -> RunDirectory:
    """The run, never interrupted, in a store of its own."""
    shutil.copytree(store.home, tmp_path / "whole", symlinks=True)
    other = Store(tmp_path / "whole")
    process = start(other, identity)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return other.run(identity.run_id())


def start(store: Store, identity: RunIdentity, **execution: Any) -> subprocess.Popen[str]:
    config = EXECUTION.model_copy(update=execution)
    path = store.home / "job.json"
    path.write_bytes(TrainJob(home=store.home, identity=identity, execution=config).to_json())
    command = [sys.executable, "-m", "tunix_ml.training", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def numbers(run: RunDirectory) -> list[tuple[int, str, str, str | None]]:
    """Losses and norms to the last bit."""
    rows = read_metrics(run.path / "metrics.jsonl")
    losses = [None if row.validation_loss is None else row.validation_loss.hex() for row in rows]
    return [
        (row.step, row.loss.hex(), row.grad_norm.hex(), loss) for row, loss in zip(rows, losses, strict=True)
    ]


def has_taken(run: RunDirectory, step: int) -> bool:
    path = run.path / "metrics.jsonl"
    return path.exists() and path.read_bytes().count(b"\n") >= step


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_run_killed_at_random_ends_as_the_one_never_interrupted(
    store: Store, identity: RunIdentity, whole: RunDirectory
) -> None:
    seed = int(os.environ.get("TUNIX_SEED", str(time.time_ns())))
    chance, run = random.Random(seed), store.run(identity.run_id())
    for kill in range(NUM_KILLS):
        process = start(store, identity)
        step = chance.randint(kill * NUM_STEPS // NUM_KILLS + 1, (kill + 1) * NUM_STEPS // NUM_KILLS - 1)
        wait_for(process, lambda step=step: has_taken(run, step))
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
    out, err = start(store, identity).communicate(timeout=300)

    assert "after step" in out, err
    assert numbers(run) == numbers(whole), seed
    assert len(numbers(run)) == NUM_STEPS
    killed, expected = (CheckpointRecord.read(path.path / "checkpoint.json") for path in (run, whole))
    assert killed.model_digest == expected.model_digest
    assert killed.num_tokens_seen == expected.num_tokens_seen


def test_a_kill_in_the_middle_of_a_save_costs_the_steps_since_the_save_before(
    store: Store, identity: RunIdentity
) -> None:
    run, reports = store.run(identity.run_id()), list[str]()
    process = start(store, identity)
    wait_for(process, lambda: is_saving(run, 10))
    process.kill()
    process.communicate()

    step = Checkpoints(run.path / "checkpoints", 2, reports.append).choose(
        "latest", fingerprint=identity.fingerprint()
    )

    assert step == 5
    assert reports == ["checkpoint 10 was never finished; set aside as set_aside/10.0"]


def is_saving(run: RunDirectory, step: int) -> bool:
    """A step's directory is there and its seal is not: a save is under way."""
    path = run.path / "checkpoints" / str(step)
    return path.is_dir() and not (path / "integrity.json").exists()


def test_a_run_asked_to_end_saves_its_step_and_says_how_to_go_on(store: Store, identity: RunIdentity) -> None:
    run = store.run(identity.run_id())
    process = start(store, identity, save_every_steps=1_000)
    wait_for(process, lambda: has_taken(run, 7))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    last = read_metrics(run.path / "metrics.jsonl")[-1].step
    assert process.returncode == 1
    assert err == (
        f"{run.run_id} stopped after step {last}/{NUM_STEPS}, which is saved: SIGTERM was received;"
        " the same command goes on from there\n"
    )
    assert (run.path / "checkpoints" / str(last) / "integrity.json").exists()
