"""One trial brought to a rung: trained by a worker, and asked by another where that is what is measured."""

import time
from collections.abc import Callable
from pathlib import Path

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.prediction import PredictConfig
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.datasets.evaluation_set import full_names
from tunix_ml.evaluation.report import evaluate
from tunix_ml.store import Store
from tunix_ml.tuning.launch import OutOfTime, launch
from tunix_ml.tuning.measure import last_record

_SHORTEST_SESSION_S = 10.0  # a process, its imports and one compilation: less is not worth a start
_SECONDS_PER_MINUTE = 60


class TrialJob(Artifact):
    """What is to be done for a trial, wherever it is done.

    Attributes:
        step: of the rung it is to come to.
        predict: how its model is asked, None where the validation loss is measured.
        ends_at: when the sweep's time is up, in seconds since 1970; None: never.
    """

    number: int
    home: Path
    identity: RunIdentity
    execution: ExecutionConfig
    step: int
    predict: PredictConfig | None = None
    ends_at: float | None = None


def run_trial(job: TrialJob, report: Callable[[str], None]) -> None:
    """Train the run of a trial to its rung, from wherever it stands, and evaluate it if that is asked for.

    A run that the time was too short for is left with its last checkpoint.

    Raises:
        WorkerFailed: a worker failed; the message is its last word.
        OutOfTime: the time was up.
        TunixError: the predictions cannot be scored.
    """
    left_s = _left_s(job)
    execution = job.execution.model_copy(
        update={
            "pause_after_step": job.step,
            "time_budget_minutes": None if left_s is None else left_s / _SECONDS_PER_MINUTE,
        }
    )
    module = "tunix_ml.training" if execution.score_every_steps is None else "tunix_ml.tuning"
    work = {
        "home": str(job.home),
        "identity": job.identity.model_dump(mode="json"),
        "execution": execution.model_dump(mode="json"),
    }
    launch(module, work, report=report, timeout_s=left_s)
    store, run_id = Store(job.home), job.identity.run_id()
    record = last_record(store.run(run_id))
    if job.predict is not None and record is not None and record.step >= job.step:
        _ask(job, job.predict, report)


def _ask(job: TrialJob, predict: PredictConfig, report: Callable[[str], None]) -> None:
    run_id = job.identity.run_id()
    work = {"home": str(job.home), "run_id": run_id, "config": predict.model_dump(mode="json")}
    launch("tunix_ml.inference", work, report=report, timeout_s=_left_s(job))
    for name in full_names(predict.evaluation_sets, job.identity.dataset_version):
        evaluate(Store(job.home), run_id, name)


def _left_s(job: TrialJob) -> float | None:
    """Return the seconds that are left, None for as many as it takes.

    Raises:
        OutOfTime: too few to begin with.
    """
    if job.ends_at is None:
        return None
    left_s = job.ends_at - time.time()
    if left_s < _SHORTEST_SESSION_S:
        raise OutOfTime(f"trial {job.number} was not begun: {max(left_s, 0):.0f} s are left")
    return left_s
