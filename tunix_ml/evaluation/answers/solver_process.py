"""The process that reads and compares mathematics for `solver`, each answer in a fork of its own.

    python -m tunix_ml.evaluation.answers.solver_process

Jobs come as lines of JSON on stdin, verdicts go back as lines of JSON on stdout. A fork starts from the same
state whatever was asked before, may take only so much processor time and memory, and may not touch file,
process or network: what it is stopped for costs no other answer anything.
"""

import gc
import json
import math
import os
import resource
import select
import signal
import sys
import time
from typing import Any, BinaryIO, NamedTuple, NoReturn

from tunix_ml.evaluation.answers.verdict import MATH, Verdict
from tunix_ml.worker import PARENT_VARIABLE, die_with_parent

READY = "ready"
# The limit is of processor time, which a busy machine does not shorten; this many times it by the clock.
WALL_FACTOR = 3
_FORBIDDEN_STATUS = 77
_ACTIONS = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "pty.", "urllib.")
_IMPORTING = frozenset({"os.listdir", "os.scandir"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MIB = 1 << 20
# The grammar is slow at what it meets for the first time; a fork inherits what was met before.
_WARM_UP = (
    r"-\frac{1}{2}", r"2\sqrt{3}+1", "(1,2)", r"\{1,2\}", "[1,2)", "(1,2,3)", r"10\%", "0.5", r"5\text{ cm}",
    "x=5", "x^2-2x+1", "(x+1)^{2}", "9!", r"\pi r^2", r"1 < x \le 2", r"(-\infty,1)\cup[2,\infty)", "abc",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"x \in \{1,2\}", r"4\pm 2", "f(x)", r"\sqrt[3]{8}", "x_1",
    r"\binom{5}{2}", r"\log_2 8", "e^{2x}", r"\sin x + \cos(2x)", "|x-1|", r"2\cdot 3 \times 4", r"\ln 2",
    r"\frac{x+1}{y-2}", r"\int_0^x 2t dt", r"\sum_{k=1}^{9} k", r"\prod_{k=1}^{5} k", "1010_2",
)  # fmt: skip


class Job(NamedTuple):
    """Two texts to compare, and what the comparison may take."""

    expected: str
    given: str
    limit_s: float
    memory_bytes: int


def main() -> None:
    """Answer jobs until stdin ends."""
    die_with_parent()
    os.environ[PARENT_VARIABLE] = str(os.getpid())  # the parent of the forks
    with os.fdopen(os.dup(0), "rb") as jobs, os.fdopen(os.dup(1), "wb") as replies:
        _silence(0, 1)
        _warm_up()
        _silence(2)
        _reply(replies, READY)
        for line in jobs:
            _reply(replies, judge_in_fork(Job(**json.loads(line))))


def judge_in_fork(job: Job) -> Verdict:
    """Return the verdict that a fork of this process comes to within its limits."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work(job, writing)  # pragma: no cover - as is the function
    os.close(writing)
    data = _read_all(reading, until=time.monotonic() + WALL_FACTOR * job.limit_s)
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if data:
        return Verdict(*json.loads(data))
    return _failure(job, status, is_late=data is None)


def judge(job: Job) -> Verdict:
    """Return the verdict of this very process, which any text may bring to its end."""
    from tunix_ml.evaluation.answers.mathematics import compare  # noqa: PLC0415 - sympy takes two seconds

    try:
        return compare(job.expected, job.given)
    except MemoryError:
        return Verdict("error", MATH, f"took more than {job.memory_bytes // _MIB} MiB")
    except Exception as error:  # noqa: BLE001 - a failure of any kind is no score
        return Verdict("error", MATH, f"the solver failed with {error!r:.120}")


def refuse_action(event: str, arguments: tuple[Any, ...]) -> None:
    """End this process where an audited event would act on the machine: an audit hook."""
    is_action = event.startswith(_ACTIONS) and event not in _IMPORTING
    if is_action or (event == "open" and arguments[2] & _WRITING):
        os._exit(_FORBIDDEN_STATUS)


def _warm_up() -> None:
    from sympy.core.random import seed  # noqa: PLC0415 - slow

    for text in _WARM_UP:
        judge(Job("5", text, 0, 0))
    seed(0)
    gc.collect()
    gc.freeze()


def _work(job: Job, writing: int) -> NoReturn:  # pragma: no cover - a fork has no way to report coverage
    try:
        die_with_parent()
        seconds = math.ceil(job.limit_s) + 1
        limits = {
            resource.RLIMIT_AS: job.memory_bytes,
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_FSIZE: 0,
        }
        for limit, value in limits.items():
            resource.setrlimit(limit, (value, value))
        sys.dont_write_bytecode = True
        sys.addaudithook(refuse_action)
        signal.setitimer(signal.ITIMER_PROF, job.limit_s)  # ends the process, also inside a call into C
        os.write(writing, json.dumps(judge(job)).encode())
    finally:
        os._exit(0)


def _read_all(descriptor: int, *, until: float) -> bytes | None:
    """Return what is written until the other end closes, None if that takes too long."""
    data = b""
    while select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(descriptor, 1 << 16)
        if not part:
            return data
        data += part
    return None


def _failure(job: Job, status: int, *, is_late: bool) -> Verdict:
    if is_late or -status in (signal.SIGPROF, signal.SIGXCPU):
        return Verdict("timeout", MATH, f"took more than {job.limit_s:g} s")
    if status == _FORBIDDEN_STATUS:
        return Verdict("error", MATH, "tried to act on the machine and was stopped")
    return Verdict("error", MATH, f"the solver ended with status {status}")


def _reply(replies: BinaryIO, reply: Any) -> None:
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.flush()


def _silence(*descriptors: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


if __name__ == "__main__":
    main()
