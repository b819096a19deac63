"""The training loop: the one place of training that owns time, files and reports.

runs/<run_id>/config.json       the identity, written once
runs/<run_id>/provenance.json   where and with what the last session ran
runs/<run_id>/metrics.jsonl     one line for each reported step
runs/<run_id>/checkpoints/      for resume
runs/<run_id>/model/            the finished model, a slot of the store
runs/<run_id>/checkpoint.json   the record of the finished run, written last
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import jax
import numpy as np

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import (
    CheckpointMeta,
    CheckpointRecord,
    ExecutionConfig,
    MetricsRow,
    RunIdentity,
    TrainConfig,
)
from tunix_ml.durable import make_directory, write_atomically
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params, num_params
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.provenance import provenance
from tunix_ml.store import RunDirectory, Snapshot, Store, StoreError
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.data import TokenRows, in_order, indices_of_step, read_rows
from tunix_ml.training.devices import describe_device, find_device
from tunix_ml.training.metrics import METRICS_FILE, append_metrics, progress_line, write_row
from tunix_ml.training.progress import NonFiniteLoss, Progress, finite
from tunix_ml.training.step import (
    CompiledSteps,
    EvalStep,
    TrainState,
    abstract_state,
    compile_steps,
    init_state,
)

Report = Callable[[str], None]

RECORD_FILE = "checkpoint.json"
_LEASE_TIMEOUT_S = 5.0  # a killed predecessor takes up to half a second to die with its parent
_TOKENIZER_FOLDER = "tokenizer/"


def train(
    *, store: Store, identity: RunIdentity, execution: ExecutionConfig, report: Report
) -> CheckpointRecord:
    """Train the run of an identity to its end, wherever it stands, and publish its model.

    A finished run is adopted, an unfinished one resumed: on one CPU bit for bit as if it had never stopped.

    Raises:
        DeviceNotFound: the device asked for is not on this machine.
        LeaseHeld: another process trains this run.
        ResumeError: `resume_from` names no checkpoint of this run.
        ContractError: the run's directory or its tokens belong to another identity.
        NonFiniteLoss: the loss or the gradient's norm became NaN or infinite.
    """
    device = find_device(execution.device)
    run = store.run(identity.run_id())
    with run.lease(timeout_s=_LEASE_TIMEOUT_S):
        _claim(run, identity)
        checkpoints = Checkpoints(run.path / "checkpoints", execution.keep_checkpoints, report)
        if execution.resume_from == "latest" and (record := _finished(run, checkpoints, report)):
            return record
        from_step = checkpoints.choose(execution.resume_from)
        (run.path / RECORD_FILE).unlink(missing_ok=True)
        tokens = _resolve_tokens(store, identity)
        session = Session(run, tokens, identity, execution, checkpoints, device, report)
        return session.train_to_the_end(from_step)


@dataclass(frozen=True)
class Session:
    """One process's part of a run: all it works with, and nothing that changes."""

    run: RunDirectory
    tokens: Snapshot
    identity: RunIdentity
    execution: ExecutionConfig
    checkpoints: Checkpoints
    device: jax.Device
    report: Report

    def train_to_the_end(self, from_step: int | None) -> CheckpointRecord:
        """Train the steps that are missing and publish the model."""
        manifest = TokensManifest.read(self.tokens.file("tokens.json"))
        network = Network(model_config(self.identity.train, manifest))
        state, meta = self._start(network, from_step)
        self._write_provenance(from_step)
        compile_time_s = 0.0
        if meta is None or meta.step < self.identity.train.num_train_steps:
            rows, held_out = self._read_rows(manifest)
            steps = self._compile(network, state, rows)
            compile_time_s = steps.compile_time_s
            state, meta = self._train(steps, state, meta, rows=rows, held_out=held_out)
        model = self._publish_model(network, state.params, manifest)
        return self._write_record(meta, model, num_params(state.params), compile_time_s)

    def _start(self, network: Network, from_step: int | None) -> tuple[TrainState, CheckpointMeta | None]:
        config = self.identity.train
        if from_step is None:
            self.report(f"starting {self.run.run_id} on {describe_device(self.device)}")
            return init_state(network, config, device=self.device), None
        state, meta = self.checkpoints.restore(
            from_step, like=abstract_state(network, config, device=self.device)
        )
        if meta.fingerprint != self.identity.fingerprint():
            raise ContractError(f"checkpoint {from_step} in {self.run.path} is of another run")
        self.report(
            f"resuming {self.run.run_id} on {describe_device(self.device)}"
            f" after step {meta.step}/{config.num_train_steps}"
        )
        return state, meta

    def _read_rows(self, manifest: TokensManifest) -> tuple[TokenRows, TokenRows]:
        path = self.tokens.file("tokens.parquet")
        return (
            read_rows(path, "train", seq_len=manifest.seq_len),
            read_rows(path, "validation", seq_len=manifest.seq_len),
        )

    def _compile(self, network: Network, state: TrainState, rows: TokenRows) -> CompiledSteps:
        config = self.identity.train
        batch = rows.batch(_indices(1, rows, config))
        steps = compile_steps(network, config, state=state, batch=batch, device=self.device)
        self.report(f"compiled for {num_params(state.params):,} parameters in {steps.compile_time_s:.1f} s")
        return steps

    def _train(
        self,
        steps: CompiledSteps,
        state: TrainState,
        meta: CheckpointMeta | None,
        *,
        rows: TokenRows,
        held_out: TokenRows,
    ) -> tuple[TrainState, CheckpointMeta | None]:
        config, done = self.identity.train, meta.step if meta else 0
        progress = Progress.carried_on(meta)
        with append_metrics(self.run.path / METRICS_FILE, after_step=done) as file:
            for step in range(done + 1, config.num_train_steps + 1):
                indices = _indices(step, rows, config)
                state, metrics = steps.train(state, rows.batch(indices))
                progress.count(int(rows.tokens_per_row[indices].sum()))
                if not self._is_reported(step):
                    continue
                row = progress.row(step, finite(step, metrics))
                if self._is_due(step, self.execution.eval_every_steps):
                    loss = validation_loss(steps.evaluate, state.params, held_out, config)
                    row = row.model_copy(update={"validation_loss": loss})
                self._tell(file, row)
                if self._is_due(step, self.execution.save_every_steps):
                    meta = progress.meta(row, self.identity)
                    self.checkpoints.save(state, meta)
                progress.start_window()
        return state, meta

    def _tell(self, file: TextIO, row: MetricsRow) -> None:
        write_row(file, row)
        self.report(progress_line(row, num_train_steps=self.identity.train.num_train_steps))

    def _is_due(self, step: int, every_steps: int) -> bool:
        return step % every_steps == 0 or step == self.identity.train.num_train_steps

    def _is_reported(self, step: int) -> bool:
        execution = self.execution
        periods = (execution.log_every_steps, execution.eval_every_steps, execution.save_every_steps)
        return step == 1 or any(self._is_due(step, every_steps) for every_steps in periods)

    def _publish_model(self, network: Network, params: Params, manifest: TokensManifest) -> Snapshot:
        parents = {"tokenized_examples": self.tokens.digest}
        special_token_ids = {
            "bos_token_id": manifest.bos_token_id,
            "eos_token_id": manifest.eos_token_id,
            "pad_token_id": manifest.pad_token_id,
        }
        slot = self.run.slot("model")
        with slot.publish(parents=parents, code_version=self.identity.code_version) as draft:
            save_model(draft.path, config=network.config, params=params, special_token_ids=special_token_ids)
            for name in self.tokens.record.files:
                if name.startswith(_TOKENIZER_FOLDER):
                    data = self.tokens.file(name).read_bytes()
                    (draft.path / name.removeprefix(_TOKENIZER_FOLDER)).write_bytes(data)
        return draft.snapshot

    def _write_record(
        self, meta: CheckpointMeta | None, model: Snapshot, size: int, compile_time_s: float
    ) -> CheckpointRecord:
        if meta is None or meta.validation_loss is None:
            raise ContractError(f"{self.run.run_id} ended without a checkpoint of its last step")
        record = CheckpointRecord(
            run_id=self.run.run_id,
            dataset_version=self.identity.dataset_version,
            step=meta.step,
            model_digest=model.digest,
            final_loss=meta.loss,
            first_loss=meta.first_loss,
            validation_loss=meta.validation_loss,
            num_params=size,
            num_tokens_seen=meta.num_tokens_seen,
            train_time_s=meta.train_time_s,
            compile_time_s=compile_time_s,
            device=describe_device(self.device),
        )
        write_atomically(self.run.path / RECORD_FILE, record.to_json())
        return record

    def _write_provenance(self, from_step: int | None) -> None:
        facts = {
            **provenance(),
            "device": describe_device(self.device),
            "num_devices": jax.device_count(),
            "execution": self.execution.model_dump(mode="json"),
            "session_started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "resumed_from_step": from_step,
        }
        write_atomically(self.run.path / "provenance.json", canonical_json(facts) + b"\n")


def model_config(config: TrainConfig, manifest: TokensManifest) -> ModelConfig:
    """Return the shape of the decoder that a run trains.

    Raises:
        ContractError: the heads do not divide the width.
    """
    if config.hidden_size % config.num_heads:
        raise ContractError(f"num_heads {config.num_heads} does not divide hidden_size {config.hidden_size}")
    return ModelConfig(
        vocab_size=manifest.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_heads,
        head_dim=config.hidden_size // config.num_heads,
        max_position_embeddings=manifest.seq_len,
        rope_theta=config.rope_theta,
    )


def validation_loss(evaluate: EvalStep, params: Params, rows: TokenRows, config: TrainConfig) -> float:
    """Return the loss over a whole split, in nats per supervised token.

    Raises:
        NonFiniteLoss: it is NaN or infinite.
    """
    sums = [evaluate(params, batch) for batch in in_order(rows, batch_size=config.batch_size)]
    nats, num_supervised = (sum(map(float, values)) for values in zip(*sums, strict=True))
    if not math.isfinite(nats):
        raise NonFiniteLoss(f"validation loss is {nats}: lower learning_rate, or lengthen warmup_steps")
    return nats / num_supervised


def _indices(step: int, rows: TokenRows, config: TrainConfig) -> np.ndarray:
    """Return the rows of a step; steps are counted from 1 here, as everywhere outside the batches."""
    return indices_of_step(step - 1, num_rows=rows.num_rows, batch_size=config.batch_size, seed=config.seed)


def _claim(run: RunDirectory, identity: RunIdentity) -> None:
    """Write the identity into a new run, or compare it with the one that is there."""
    path: Path = run.path / "config.json"
    if not path.exists():
        make_directory(run.path)
        write_atomically(path, identity.to_json())
    elif RunIdentity.read(path) != identity:
        raise ContractError(f"{path} is of another identity than {identity.fingerprint()}")


def _finished(run: RunDirectory, checkpoints: Checkpoints, report: Report) -> CheckpointRecord | None:
    """Return the record of a finished run whose model and last checkpoint are as they were written."""
    path = run.path / RECORD_FILE
    if not path.exists():
        return None
    record = CheckpointRecord.read(path)
    try:
        problems = run.slot("model").resolve(record.model_digest).verify()
    except StoreError as error:
        problems = [str(error)]
    if problem := checkpoints.problem(record.step):
        problems.append(problem)
    if problems:
        report(f"{run.run_id} is finished, but {problems[0]}: making good what is missing")
        return None
    report(f"{run.run_id} is finished already, loss {record.final_loss:.4f}: adopting it")
    return record


def _resolve_tokens(store: Store, identity: RunIdentity) -> Snapshot:
    """Return the rows of an identity after comparing what they say they were made from."""
    tokens = store.slot("tokenized_examples", identity.dataset_version).resolve(identity.tokens_digest)
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    for name in ("dataset_version", "dataset_digest", "export_digest", "template"):
        found, expected = getattr(manifest, name), getattr(identity, name)
        if found != expected:
            raise ContractError(f"tokens {tokens.digest} have {name} {found!r}, the run has {expected!r}")
    return tokens
