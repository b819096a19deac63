"""`python -m tunix_ml.benchmark JOB.json`: run one benchmark in a process of its own."""

from pathlib import Path

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.worker import Report, run_worker


class BenchmarkJob(Artifact):
    """What the process is asked to do."""

    home: Path
    config: BenchmarkConfig


def main(data: bytes, report: Report) -> None:
    """Run the benchmark of a job."""
    job = BenchmarkJob.parse(data, subject="the job")
    from tunix_ml.benchmark.measure import measure  # noqa: PLC0415 - JAX and Arrow, after the parent is watched
    from tunix_ml.benchmark.publish import publish_benchmark  # noqa: PLC0415
    from tunix_ml.store import Store  # noqa: PLC0415
    from tunix_ml.training.devices import configure_process  # noqa: PLC0415

    configure_process(home=job.home, device=job.config.device)
    snapshot = publish_benchmark(Store(job.home), measure(job.config, report))
    report(f"benchmark: {snapshot.path}")


if __name__ == "__main__":
    run_worker(main)
