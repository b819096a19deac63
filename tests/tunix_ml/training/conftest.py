"""A run that is finished, and training without a model: a step that adds one to every number of its state."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.training import (
    CheckpointMeta,
    CheckpointRecord,
    ExecutionConfig,
    RunIdentity,
    TrainConfig,
)
from tunix_ml.modeling.base_model import fetch_base_model
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.data import Batch, TokenRows
from tunix_ml.training.loop import train
from tunix_ml.training.loss import LossSum
from tunix_ml.training.placement import make_placement
from tunix_ml.training.step import CompiledSteps, StepMetrics, TrainState
from tunix_ml.training.work import Work

IDENTITY = RunIdentity(
    dataset_version="golden-v1",
    dataset_digest="a",
    export_digest="b",
    tokens_digest="c",
    template="answer_only",
    train=TrainConfig(batch_size=2),
    code_version="d",
)
FINGERPRINT = IDENTITY.fingerprint()


EVERY_TWO = {"device": "cpu", "save_every_steps": 2, "eval_every_steps": 2, "log_every_steps": 1}


class Trained(NamedTuple):
    """A finished run of six steps, with the checkpoints 4 and 6, in a store of the test's own."""

    store: Store
    identity: RunIdentity
    record: CheckpointRecord

    @property
    def run(self) -> RunDirectory:
        """Its directory."""
        return self.store.run(self.identity.run_id())

    def train(self, identity: RunIdentity | None = None, **execution: Any) -> CheckpointRecord:
        """Train it again, or another run beside it."""
        return self.tell(identity, **execution)[0]

    def tell(
        self, identity: RunIdentity | None = None, **execution: Any
    ) -> tuple[CheckpointRecord, list[str]]:
        """The same, with what was reported."""
        reports: list[str] = []
        config = ExecutionConfig.model_validate(EVERY_TWO | execution)
        record = train(
            store=self.store, identity=identity or self.identity, execution=config, report=reports.append
        )
        return record, reports

    def forget(self) -> None:
        """Delete the run."""
        shutil.rmtree(self.run.path)


@pytest.fixture
def trained(
    sums_home: Path,
    identify: Callable[..., RunIdentity],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """A finished run; it is trained once in a session."""
    home = tmp_path_factory.getbasetemp() / "trained"
    if not home.exists():
        shutil.copytree(sums_home, tmp_path / "training")
        store = Store(tmp_path / "training")
        execution = ExecutionConfig.model_validate(EVERY_TWO)
        train(store=store, identity=identify(store), execution=execution, report=print)
        store.home.rename(home)
    shutil.copytree(home, tmp_path / "home")
    store = Store(tmp_path / "home")
    identity = identify(store)
    record = CheckpointRecord.read(store.run(identity.run_id()).path / "checkpoint.json")
    return Trained(store, identity, record)


@pytest.fixture
def adapt() -> Callable[..., RunIdentity]:
    """A function that returns the identity of two steps of fine-tuning a finished run's model."""

    def identity_of(trained: Trained, *, folder: Path | None = None, **recipe: Any) -> RunIdentity:
        base = fetch_base_model(str(folder or trained.run.slot("model").resolve().path))
        fields = {"lora_rank": 2, "lora_targets": "(q|v)_proj", "num_train_steps": 2, "warmup_steps": 0}
        if not recipe.get("lora_rank", 2):
            del fields["lora_targets"]
        train_config = TrainConfig(base_model=str(base.folder), batch_size=2, **{**fields, **recipe})
        return trained.identity.model_copy(update={"base_model_digest": base.digest, "train": train_config})

    return identity_of


@pytest.fixture
def adapted(trained: Trained, adapt: Callable[..., RunIdentity]) -> RunDirectory:
    """A run of two steps that trained adapters on the finished run's model."""
    return trained.store.run(trained.train(adapt(trained)).run_id)


MakeState = Callable[[int], TrainState]
MakeMeta = Callable[..., CheckpointMeta]


@pytest.fixture
def state_after() -> MakeState:
    """A function that returns a state whose every number depends on its step."""

    def state_of(step: int) -> TrainState:
        params = {"layer.kernel": jnp.arange(6.0).reshape(2, 3) + step, "layer.scale": jnp.ones(3) * step}
        moments = jax.tree.map(lambda value: value * 0.5, params)
        return TrainState(jnp.int32(step), params, (jnp.int32(step), moments))

    return state_of


@pytest.fixture
def meta_after() -> MakeMeta:
    """A function that returns what a checkpoint says about the state after a step."""

    def meta_of(step: int, **changes: Any) -> CheckpointMeta:
        fields = {
            "step": step,
            "data_position": step * 2,
            "fingerprint": FINGERPRINT,
            "tokens_digest": "c",
            "first_loss": 3.0,
            "loss": 0.1 + step,
            "validation_loss": None,
            "num_tokens_seen": step * 100,
            "train_time_s": 0.3,
        }
        return CheckpointMeta.model_validate(fields | changes)

    return meta_of


@pytest.fixture
def fingerprint() -> str:
    """Of the run that all these states are of."""
    return FINGERPRINT


@pytest.fixture
def reports() -> list[str]:
    """What was reported."""
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, reports: list[str]) -> Checkpoints:
    """The checkpoints of a run that keeps three."""
    return Checkpoints(tmp_path / "checkpoints", 3, reports.append)


@pytest.fixture
def toy(tmp_path: Path, reports: list[str]) -> Callable[..., Work]:
    """A function that returns the work of a run of the step that adds one."""

    def work_of(num_steps: int, *, train: Any = add_one, **execution: Any) -> Work:
        settings = ExecutionConfig.model_validate({"device": "cpu", **execution})
        return Work(
            identity=IDENTITY,
            execution=settings,
            num_steps=num_steps,
            steps=CompiledSteps(train=train, evaluate=evaluate, compile_time_s=0.0),
            frozen={},
            train_rows=rows_of(4),
            held_out=rows_of(3),
            placement=make_placement(settings),
            metrics_path=tmp_path / "metrics.jsonl",
            report=reports.append,
        )

    return work_of


def add_one(state: TrainState, frozen: dict[str, jax.Array], batch: Batch) -> tuple[TrainState, StepMetrics]:
    moved: TrainState = jax.tree.map(lambda leaf: leaf + 1, state)
    return moved, StepMetrics(1.0 / moved.step, jnp.float32(0.5), jnp.float32(0.1))


def evaluate(params: dict[str, jax.Array], frozen: dict[str, jax.Array], batch: Batch) -> LossSum:
    """A loss that falls until the third step and rises after it."""
    return LossSum(jnp.abs(params["layer.scale"][0] - 3.0), jnp.float32(1.0))


def rows_of(num_rows: int) -> TokenRows:
    """Rows of five tokens, the last one padding, in two examples."""
    segments = np.tile(np.array([1, 1, 2, 2, 0], np.int32), (num_rows, 1))
    ones = np.ones_like(segments)
    return TokenRows(input_ids=ones, loss_mask=ones, segment_ids=segments, positions=ones)
