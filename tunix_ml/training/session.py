"""One session of a run: from the checkpoint it starts at to the published model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.training import CheckpointMeta, CheckpointRecord, ExecutionConfig, RunIdentity
from tunix_ml.durable import write_atomically
from tunix_ml.modeling.decoder import Network, Params, num_params
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.distributed import wait_for_all
from tunix_ml.training.engines import engine_of
from tunix_ml.training.facts import peak_memory, session_facts
from tunix_ml.training.metrics import METRICS_FILE
from tunix_ml.training.placement import Placement
from tunix_ml.training.publish import publish_model
from tunix_ml.training.saving import saving
from tunix_ml.training.start import Plan, Start, make_plan, start_at
from tunix_ml.training.stepping import Ending, take_steps
from tunix_ml.training.stops import StopRequest, TimeBudget
from tunix_ml.training.work import ScoreModel, Work, indices_of


@dataclass(frozen=True, kw_only=True)
class Session:
    """One process's part of a run: all it works with, and nothing that changes.

    Attributes:
        checkpoints: of the run, whose lease this process or its first peer holds.
        stop: a request to end early.
        budget: wall time of the session.
        report: told about the progress; silent in all processes but the first.
        score: returns the task score of a network and its parameters; None: nothing is scored.
    """

    run: RunDirectory
    identity: RunIdentity
    execution: ExecutionConfig
    checkpoints: Checkpoints
    placement: Placement
    stop: StopRequest
    budget: TimeBudget
    report: Callable[[str], None]
    score: ScoreModel | None

    def train_to_the_end(self, tokens: Snapshot, *, from_step: int | None) -> CheckpointRecord:
        """Take the steps that are missing, as far as the time allows, and publish the model.

        `tokens` are the rows to train on, compared with the identity.
        """
        facts = session_facts(placement=self.placement, execution=self.execution, from_step=from_step)
        self._write_provenance(facts)
        plan = make_plan(self.identity, tokens, placement=self.placement, remat=self.execution.remat)
        start = self._start(plan, from_step)
        ending, compile_time_s = self._take_steps(plan, start)
        params = {**start.frozen, **ending.state.params}
        model = self._publish(tokens, plan.network, params)
        record = self._record(plan, ending, model, num_params(params), compile_time_s)
        self._write_provenance({**facts, **peak_memory(self.placement)})
        return record

    def _start(self, plan: Plan, from_step: int | None) -> Start:
        start = start_at(
            from_step,
            plan=plan,
            identity=self.identity,
            placement=self.placement,
            checkpoints=self.checkpoints,
        )
        where = f"{self.run.run_id} on {self.placement.describe()}"
        if start.meta is None:
            self.report(f"starting {where}")
        else:
            self.report(f"resuming {where} after step {start.meta.step}/{plan.num_steps}")
        return start

    def _take_steps(self, plan: Plan, start: Start) -> tuple[Ending, float]:
        """Return how the steps ended, and the seconds to compile them."""
        if start.meta is not None and start.meta.step >= plan.num_steps:
            return Ending(start.state, start.meta, "steps"), 0.0
        if start.meta is not None and self._is_paused_at(start.meta):
            return Ending(start.state, start.meta, "pause"), 0.0
        work = self._work(plan, start)
        with saving(self.checkpoints) as saver:
            ending = take_steps(work, saver, start.state, start.meta, stop=self.stop, budget=self.budget)
        return ending, work.steps.compile_time_s

    def _is_paused_at(self, meta: CheckpointMeta) -> bool:
        """Return whether a checkpoint is as far as this session was to go, and evaluated."""
        pause = self.execution.pause_after_step
        return pause is not None and meta.step >= pause and meta.validation_loss is not None

    def _work(self, plan: Plan, start: Start) -> Work:
        first = plan.train_rows.batch(indices_of(1, plan.train_rows, self.identity))
        steps = engine_of(self.identity.train).compile_steps(
            plan.network,
            self.identity.train,
            num_steps=plan.num_steps,
            execution=self.execution,
            state=start.state,
            frozen=start.frozen,
            batch=self.placement.put_batch(first),
            placement=self.placement,
        )
        self.report(f"compiled for {num_params(start.params):,} parameters in {steps.compile_time_s:.1f} s")
        return Work(
            identity=self.identity,
            execution=self.execution,
            num_steps=plan.num_steps,
            steps=steps,
            frozen=start.frozen,
            train_rows=plan.train_rows,
            held_out=plan.held_out,
            placement=self.placement,
            metrics_path=self.run.path / METRICS_FILE,
            report=self.report,
            score_params=self.score and partial(self.score, plan.network),
        )

    def _publish(self, tokens: Snapshot, network: Network, params: Params) -> Snapshot:
        """Publish the model: every process has a part in fetching it, the first one writes it."""
        whole = {name: self.placement.fetch(value) for name, value in params.items()}
        if self.placement.is_writer:
            publish_model(self.run, tokens=tokens, identity=self.identity, network=network, params=whole)
        wait_for_all("the model is published")
        return self.run.slot("model").resolve()

    def _record(
        self, plan: Plan, ending: Ending, model: Snapshot, size: int, compile_time_s: float
    ) -> CheckpointRecord:
        meta = ending.meta
        if meta.validation_loss is None:
            raise ContractError(f"{self.run.run_id} ended without a validation loss of its last step")
        return CheckpointRecord(
            run_id=self.run.run_id,
            dataset_version=self.identity.dataset_version,
            step=meta.step,
            num_train_steps=plan.num_steps,
            stopped_by=ending.stopped_by,
            model_digest=model.digest,
            final_loss=meta.loss,
            first_loss=meta.first_loss,
            validation_loss=meta.validation_loss,
            num_params=size,
            num_tokens_seen=meta.num_tokens_seen,
            train_time_s=meta.train_time_s,
            compile_time_s=compile_time_s,
            device=self.placement.describe(),
            num_devices=self.placement.mesh.size,
        )

    def _write_provenance(self, facts: dict[str, Any]) -> None:
        if self.placement.is_writer:
            write_atomically(self.run.path / "provenance.json", canonical_json(facts) + b"\n")
