"""Sweeps of tiny models over forty sums, trained for real."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.sweep import SweepIdentity, SweepSpec
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.training.identify import identify
from tunix_ml.tuning.sweep import SweepJob, run_sweep

TINY: dict[str, Any] = {
    "recipe": "swept",
    "hidden_size": 16,
    "num_heads": 2,
    "intermediate_size": 24,
    "num_layers": 1,
    "batch_size": 2,
    "num_train_steps": 6,
    "warmup_steps": 1,
}
EXECUTION = ExecutionConfig(device="cpu", log_every_steps=1, save_every_steps=2, eval_every_steps=2)


@pytest.fixture(autouse=True)
def compiled_once_by_workers_too(
    sums: Store, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Let the workers of all tests share what they have compiled."""
    folder = tmp_path_factory.getbasetemp() / "compiled_by_workers"
    folder.mkdir(exist_ok=True)
    if not (sums.home / "cache").exists():
        (sums.home / "cache").symlink_to(folder)
    for name in list(os.environ):
        if name.startswith("DAGSTER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def make_job(sums: Store) -> Callable[..., SweepJob]:
    """A function that returns the job of a tiny sweep; what is given changes its spec, `train` its recipe."""

    def make(*, train: dict[str, Any] | None = None, **spec: Any) -> SweepJob:
        tokens = sums.slot("tokenized_examples", "sums-v1").resolve()
        fields = {
            "space": {"learning_rate": {"loguniform": [0.001, 0.1]}},
            "num_trials": 3,
            "seeds": [],
            **spec,
        }
        identity = SweepIdentity(
            base=identify(tokens, TrainConfig(**{**TINY, **(train or {})})),
            spec=SweepSpec.model_validate(fields),
        )
        return SweepJob(home=sums.home, identity=identity, execution=EXECUTION)

    return make


@pytest.fixture
def drive() -> Callable[..., Snapshot]:
    """A function that drives a sweep to its end and keeps its lines in `lines`, if that is given."""

    def run(job: SweepJob, lines: list[str] | None = None) -> Snapshot:
        report = (lambda line: None) if lines is None else lines.append
        return run_sweep(job, started_at=time.time(), report=report)

    return run
