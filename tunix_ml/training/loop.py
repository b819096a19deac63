"""The training of a run, whatever state it is in: adopted, resumed or started.

runs/<run_id>/config.json       the identity, written once
runs/<run_id>/provenance.json   where and with what the last session ran
runs/<run_id>/metrics.jsonl     one line for each reported step
runs/<run_id>/checkpoints/      for resume
runs/<run_id>/model/            the model, a slot of the store
runs/<run_id>/checkpoint.json   the record of what the run has come to, written last
"""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import CheckpointRecord, ExecutionConfig, RunIdentity
from tunix_ml.durable import make_directory, write_atomically
from tunix_ml.snapshot import Snapshot, StoreError
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.distributed import as_first_process
from tunix_ml.training.engines import engine_of
from tunix_ml.training.placement import Placement
from tunix_ml.training.session import Session
from tunix_ml.training.stops import TimeBudget, stop_requests
from tunix_ml.training.work import ScoreModel

Report = Callable[[str], None]

RECORD_FILE = "checkpoint.json"
_LEASE_TIMEOUT_S = 5.0  # a killed predecessor takes up to half a second to die with its parent
_ADOPTED, _FRESH = -2, -1  # instead of a step, among processes


def train(
    *,
    store: Store,
    identity: RunIdentity,
    execution: ExecutionConfig,
    report: Report,
    started_at: float | None = None,
    score: ScoreModel | None = None,
) -> CheckpointRecord:
    """Train the run of an identity to its end, wherever it stands, and publish its model.

    A finished run is adopted, an unfinished one resumed: on one CPU bit for bit as if it had never stopped.
    A run that has used up `time_budget_minutes`, or has come to its `deadline` or to `pause_after_step`, is
    published as far as it has come, and resumed by the next call. SIGTERM and SIGINT end it after the step
    they come in.

    The session began at `started_at`, as `time.perf_counter` has it, or begins now. `score` returns the task
    score of a network and its parameters, and is needed where one is asked for.

    Raises:
        DeviceNotFound: the devices asked for are not on this machine.
        LeaseHeld: another process trains this run.
        ResumeError: `resume_from` names no checkpoint of this run.
        ContractError: the run's directory, its tokens or its base model belong to another identity.
        NonFiniteLoss: loss, gradient or parameters became NaN or infinite.
        DiskFull: a checkpoint would not fit on the disk.
        TrainingStopped: a signal came; the run is saved after its last step.
    """
    _refuse_scores_without_scorer(execution, score)
    budget = _budget(execution, started_at or time.perf_counter())
    placement = engine_of(identity.train).make_placement(identity.train, execution)
    run, report = store.run(identity.run_id()), report if placement.is_writer else _say_nothing
    with stop_requests() as stop, _lease(run, placement):
        session = Session(
            run=run,
            identity=identity,
            execution=execution,
            checkpoints=_checkpoints(run, execution, report),
            placement=placement,
            stop=stop,
            budget=budget,
            report=report,
            score=score,
        )
        return _go_on(session, store)


def _refuse_scores_without_scorer(execution: ExecutionConfig, score: ScoreModel | None) -> None:
    if execution.score_every_steps is not None and score is None:
        raise ContractError("score_every_steps asks for task scores, which this process cannot compute")


def _budget(execution: ExecutionConfig, started_at: float) -> TimeBudget:
    return TimeBudget.of_session(execution, started_at=started_at, now=datetime.now(UTC))


def _checkpoints(run: RunDirectory, execution: ExecutionConfig, report: Report) -> Checkpoints:
    folder = run.path / "checkpoints"
    return Checkpoints(folder, execution.keep_checkpoints, report, execution.keep_best_checkpoints)


def _lease(run: RunDirectory, placement: Placement) -> contextlib.AbstractContextManager[None]:
    """Hold the run for this process and its peers."""
    return run.lease(timeout_s=_LEASE_TIMEOUT_S) if placement.is_writer else contextlib.nullcontext()


def _go_on(session: Session, store: Store) -> CheckpointRecord:
    """Adopt the run, or take it to its end and record what it has come to."""
    begin = as_first_process(_begin(session) if session.placement.is_writer else _FRESH)
    if begin == _ADOPTED:
        return CheckpointRecord.read(session.run.path / RECORD_FILE)
    tokens = _resolve_tokens(store, session.identity)
    record = session.train_to_the_end(tokens, from_step=None if begin == _FRESH else begin)
    if session.placement.is_writer:
        write_atomically(session.run.path / RECORD_FILE, record.to_json())
    return record


def _begin(session: Session) -> int:
    """Return the step to go on after, or that the run is new, or finished and adopted."""
    run, checkpoints, resume_from = session.run, session.checkpoints, session.execution.resume_from
    _claim(run, session.identity)
    if resume_from == "latest" and _is_finished(run, checkpoints):
        return _ADOPTED
    step = checkpoints.choose(resume_from, fingerprint=session.identity.fingerprint())
    (run.path / RECORD_FILE).unlink(missing_ok=True)
    return _FRESH if step is None else step


def _claim(run: RunDirectory, identity: RunIdentity) -> None:
    """Write the identity into a new run, or compare it with the one that is there."""
    path: Path = run.path / "config.json"
    if not path.exists():
        make_directory(run.path)
        write_atomically(path, identity.to_json())
    elif RunIdentity.read(path).fingerprint() != identity.fingerprint():
        raise ContractError(f"{path} is of another identity than {identity.fingerprint()}")


def _is_finished(run: RunDirectory, checkpoints: Checkpoints) -> bool:
    """Return whether all steps are done, and model and last checkpoint are as they were written."""
    path, report = run.path / RECORD_FILE, checkpoints.report
    record = CheckpointRecord.read(path) if path.exists() else None
    if record is None or record.stopped_by != "steps":
        return False
    if problem := _first_damage(run, checkpoints, record):
        report(f"{run.run_id} is finished, but {problem}: making good what is missing")
        return False
    report(f"{run.run_id} is finished already, loss {record.final_loss:.4f}: adopting it")
    return True


def _first_damage(run: RunDirectory, checkpoints: Checkpoints, record: CheckpointRecord) -> str | None:
    """Return what is wrong with the model, or with the last checkpoint, of a finished run."""
    try:
        problems = run.slot("model").resolve(record.model_digest).verify()
    except StoreError as error:
        return str(error)
    return problems[0] if problems else checkpoints.problem(record.step)


def _resolve_tokens(store: Store, identity: RunIdentity) -> Snapshot:
    """Return the rows of an identity after comparing what they say they were made from."""
    tokens = store.slot("tokenized_examples", identity.dataset_version).resolve(identity.tokens_digest)
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    for name in ("dataset_version", "dataset_digest", "export_digest", "template"):
        found, expected = getattr(manifest, name), getattr(identity, name)
        if found != expected:
            raise ContractError(f"tokens {tokens.digest} have {name} {found!r}, the run has {expected!r}")
    return tokens


def _say_nothing(line: str) -> None:
    """Report nothing."""
