"""`python -m tunix_ml.tuning JOB.json`: train a run as `tunix_ml.training` does, with task scores."""

from collections.abc import Callable

from tunix_ml.training.__main__ import TrainJob, train_job
from tunix_ml.worker import Report, run_worker


def main(data: bytes, report: Report) -> None:
    """Train the run of a job."""
    train_job(data, report, make_score=_scorer)


def _scorer(job: TrainJob) -> Callable[..., float | None]:
    from tunix_ml.store import Store  # noqa: PLC0415 - JAX and Arrow, after the parent is watched
    from tunix_ml.tuning.task_score import TaskScore  # noqa: PLC0415

    return TaskScore.of_run(Store(job.home), job.identity, job.execution)


if __name__ == "__main__":
    run_worker(main)
