"""Ask a process of its own whether two expressions are equal, so that no answer can harm another."""

import json
import os
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from tunix_ml.contracts.base import TunixError
from tunix_ml.evaluation.answers.solver_process import READY, WALL_FACTOR, Job
from tunix_ml.evaluation.answers.verdict import MATH, Verdict
from tunix_ml.worker import PARENT_VARIABLE

LIMIT_S = 2.0
MEMORY_BYTES = 1 << 30
_START_LIMIT_S = 120.0
_GRACE_S = 10.0
_MODULE = "tunix_ml.evaluation.answers.solver_process"


class Solver:
    r"""A process that compares mathematics; it starts at the first question and ends with the block.

        with Solver() as solver:
            solver.compare(r"\frac{1}{2}", "0.5")

    Args of the constructor: `limit_s`, processor time for one answer, its start not counted, and
    `memory_bytes`, what one answer may take.
    """

    def __init__(self, *, limit_s: float = LIMIT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._limit_s = limit_s
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def compare(self, expected: str, given: str) -> Verdict:
        """Return whether an answer is the expected one.

        Raises:
            TunixError: the process cannot be started.
        """
        process = self._process = self._process or _start()
        job = Job(expected, given, self._limit_s, self._memory_bytes)
        reply = _ask(process, job._asdict(), limit_s=WALL_FACTOR * self._limit_s + _GRACE_S)
        if reply is None:
            self._stop()
            return Verdict("error", MATH, "the solver ended without an answer")
        return Verdict(*reply)

    def _stop(self) -> None:
        if self._process is not None:
            _end(self._process)
            self._process = None


def _start() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(  # noqa: S603 - fixed words
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONHASHSEED": "0"},
    )
    if _read_line(process, limit_s=_START_LIMIT_S) != READY:
        said = _end(process)
        raise TunixError(
            f"the solver of mathematics did not start: {' '.join(said.split())[-300:] or 'no word'}"
        )
    return process


def _ask(process: "subprocess.Popen[bytes]", job: dict[str, Any], *, limit_s: float) -> Any:
    """Return the reply to a job, None if the process is gone or stuck."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        return None
    return _read_line(process, limit_s=limit_s)


def _read_line(process: "subprocess.Popen[bytes]", *, limit_s: float) -> Any:
    """Return the next line of JSON, None if there is none in time."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    until, data = time.monotonic() + limit_s, b""
    while select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(process.stdout.fileno(), 1 << 16)
        data += part
        if data.endswith(b"\n"):
            return json.loads(data)
        if not part:
            break
    return None


def _end(process: "subprocess.Popen[bytes]") -> str:
    """End a process, of its own accord if it will, and return what it said on stderr."""
    try:
        _, said = process.communicate(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    return said.decode(errors="replace")
