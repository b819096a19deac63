"""`python -m tunix_ml.training JOB.json`: train one run in a process of its own."""

import time
from collections.abc import Callable
from pathlib import Path

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.worker import Report, run_worker


class TrainJob(Artifact):
    """What the process is asked to do."""

    home: Path
    identity: RunIdentity
    execution: ExecutionConfig


MakeScore = Callable[[TrainJob], Callable[..., float | None]]


def main(data: bytes, report: Report) -> None:
    """Train the run of a job."""
    train_job(data, report, make_score=None)


def train_job(data: bytes, report: Report, *, make_score: MakeScore | None) -> None:
    """Train the run of a job; `make_score` returns what computes its task scores, if it asks for them."""
    started_at = time.perf_counter()  # the imports below take seconds of the session's time
    job = TrainJob.parse(data, subject="the job")
    from tunix_ml.store import Store  # noqa: PLC0415 - JAX and Arrow, after the parent is watched
    from tunix_ml.training.devices import configure_process  # noqa: PLC0415
    from tunix_ml.training.distributed import initialize_from_environment  # noqa: PLC0415
    from tunix_ml.training.engines import device_of_jax  # noqa: PLC0415
    from tunix_ml.training.loop import train  # noqa: PLC0415

    configure_process(home=job.home, device=device_of_jax(job.identity.train, job.execution))
    initialize_from_environment()
    train(
        store=Store(job.home),
        identity=job.identity,
        execution=job.execution,
        report=report,
        started_at=started_at,
        score=make_score(job) if make_score else None,
    )


if __name__ == "__main__":
    run_worker(main)
