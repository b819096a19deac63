"""`python -m tunix_ml.inference JOB.json`: predict for one run in a process of its own."""

from pathlib import Path

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.prediction import PredictConfig
from tunix_ml.worker import Report, run_worker


class PredictJob(Artifact):
    """What the process is asked to do."""

    home: Path
    run_id: str
    config: PredictConfig


def main(data: bytes, report: Report) -> None:
    """Predict for the run of a job."""
    job = PredictJob.parse(data, subject="the job")
    from tunix_ml.inference.predict import predict  # noqa: PLC0415 - JAX, after the parent is watched
    from tunix_ml.store import Store  # noqa: PLC0415
    from tunix_ml.training.devices import configure_process  # noqa: PLC0415

    configure_process(home=job.home, device=job.config.predict_device)
    predict(store=Store(job.home), run_id=job.run_id, config=job.config, report=report)


if __name__ == "__main__":
    run_worker(main)
