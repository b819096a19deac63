"""`python -m tunix_ml.tuning.sweep_worker JOB.json`: drive a sweep in a process of its own."""

import time

from tunix_ml.worker import Report, run_worker


def main(data: bytes, report: Report) -> None:
    """Drive the sweep of a job to its end."""
    started_at = time.time()
    from tunix_ml.tuning.sweep import SweepJob, run_sweep  # noqa: PLC0415 - after the parent is watched

    run_sweep(SweepJob.parse(data, subject="the job"), started_at=started_at, report=report)


if __name__ == "__main__":
    run_worker(main)
