"""Start a worker of this package and wait for its end, from a process that is no asset's."""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tunix_ml.contracts.base import TunixError
from tunix_ml.worker import child_environment

_MOST_CHARS = 500
_PIPES_PREFIX = "DAGSTER_PIPES_"


class WorkerFailed(TunixError):
    """A worker has failed; the message is its last word."""


class OutOfTime(TunixError):
    """A worker was ended because its time was up."""


def launch(
    module: str, job: Mapping[str, Any], *, report: Callable[[str], None], timeout_s: float | None
) -> None:
    """Run `python -m <module> JOB.json` to its end and report its lines; it dies with this process.

    Raises:
        WorkerFailed: it failed, or was killed.
        OutOfTime: it took longer than `timeout_s`, and was killed.
    """
    with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
        job_file, failure, errors = (Path(folder, name) for name in ("job.json", "failure.txt", "stderr.txt"))
        job_file.write_text(json.dumps(dict(job)), encoding="utf-8")
        with errors.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
                [sys.executable, "-m", module, str(job_file)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=_environment(failure),
            )
            with _ended_after(process, timeout_s) as is_late:
                for line in process.stdout or ():
                    report(line.rstrip())
                status = process.wait()
        if is_late.is_set():
            raise OutOfTime(f"{module} was ended after {timeout_s:.0f} s, when its time was up")
        if status != 0:
            raise WorkerFailed(_last_word(module, status, failure, errors))


def _environment(failure: Path) -> dict[str, str]:
    """Leave out what Dagster has told this process alone: the worker's lines come here."""
    environment = child_environment(failure)
    return {name: value for name, value in environment.items() if not name.startswith(_PIPES_PREFIX)}


@contextlib.contextmanager
def _ended_after(process: subprocess.Popen[str], timeout_s: float | None) -> Iterator[threading.Event]:
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(timeout_s, end) if timeout_s is not None else None
    try:
        if timer:
            timer.start()
        yield is_late
    finally:
        if timer:
            timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _last_word(module: str, status: int, failure: Path, errors: Path) -> str:
    if failure.exists():
        return failure.read_text(encoding="utf-8").strip()
    if status < 0:
        return f"{module} was killed by {signal.Signals(-status).name}"
    said = " ".join(errors.read_text(encoding="utf-8", errors="replace").split())[-_MOST_CHARS:]
    return said or f"{module} ended with status {status}"
