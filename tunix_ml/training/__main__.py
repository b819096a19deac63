"""`python -m tunix_ml.training JOB.json`: train one run in a process of its own."""

from pathlib import Path

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.worker import Report, run_worker


class TrainJob(Artifact):
    """What the process is asked to do."""

    home: Path
    identity: RunIdentity
    execution: ExecutionConfig


def main(data: bytes, report: Report) -> None:
    """Train the run of a job."""
    job = TrainJob.parse(data, subject="the job")
    from tunix_ml.store import Store  # noqa: PLC0415 - JAX and Arrow, after the parent is watched
    from tunix_ml.training.devices import configure_process  # noqa: PLC0415
    from tunix_ml.training.loop import train  # noqa: PLC0415

    configure_process(home=job.home, device=job.execution.device)
    train(store=Store(job.home), identity=job.identity, execution=job.execution, report=report)


if __name__ == "__main__":
    run_worker(main)
