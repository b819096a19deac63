"""The metric of a trial, read from the files of its run and from nowhere else."""

from typing import NamedTuple

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.sweep import Objective
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import eval_slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory
from tunix_ml.training.metrics import METRICS_FILE, read_metrics

_RECORD_FILE = "checkpoint.json"


class NotMeasured(TunixError):
    """A run has no metric that could be compared."""


class Measurement(NamedTuple):
    """The metric of a run after a step, and what it was measured on."""

    step: int
    value: float
    model_digest: str
    eval_digest: str | None
    train_time_s: float


def last_record(run: RunDirectory) -> CheckpointRecord | None:
    """Return what a run has come to, None if no session of it has ended well."""
    path = run.path / _RECORD_FILE
    return CheckpointRecord.read(path) if path.exists() else None


def measure(
    run: RunDirectory,
    objective: Objective,
    *,
    step: int,
    evaluation_set: str | None,
    eval_digest: str | None = None,
) -> Measurement:
    """Return the metric of a run after a step.

    A run that had been trained further before is measured where it was evaluated next.

    Args:
        run: of the trial.
        objective: what is measured.
        step: of the rung.
        evaluation_set: that the run was asked, in full; None for the validation loss.
        eval_digest: of the report to read; None: the current one.

    Raises:
        NotMeasured: the run has not come to the step, or not every item has a score.
        NotPublished: its report is not there.
        ContractError: a file of the run breaks its contract.
    """
    record = last_record(run)
    if record is None or record.step < step:
        raise NotMeasured(f"{run.run_id} has not come to step {step}")
    if not objective.is_evaluated:
        at, value = _validation_loss(run, step)
        return Measurement(at, value, record.model_digest, None, record.train_time_s)
    if evaluation_set is None:
        raise ContractError(f"{objective.metric} needs an evaluation set")
    snapshot = eval_slot(run, evaluation_set).resolve(eval_digest)
    value = _evaluated(snapshot, record, objective)
    return Measurement(record.step, value, record.model_digest, snapshot.digest, record.train_time_s)


def _validation_loss(run: RunDirectory, step: int) -> tuple[int, float]:
    for row in read_metrics(run.path / METRICS_FILE):
        if row.step >= step and row.validation_loss is not None:
            return row.step, row.validation_loss
    raise NotMeasured(f"{METRICS_FILE} of {run.run_id} has no validation loss from step {step} on")


def _evaluated(snapshot: Snapshot, record: CheckpointRecord, objective: Objective) -> float:
    report = EvalReport.read(snapshot.file("eval.json"))
    if report.inputs.get("model") != record.model_digest:
        raise NotMeasured(f"the report on {record.run_id} is of another model than {record.model_digest}")
    found = report.metrics.get(objective.metric)
    if found is None or report.n_scored < report.n_items:
        raise NotMeasured(
            f"{objective.metric} of {record.run_id}: {report.n_scored} of {report.n_items} items have a score"
        )
    return found.mean
