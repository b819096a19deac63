"""A worker process: it reads a job file, reports, dies with its parent, and fails in one sentence.

    python -m tunix_ml.training JOB.json

It is started by hand, by a test, or by Dagster Pipes. Nothing heavy is imported here, so that the death of
the parent is watched from the first moment on.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from tunix_ml.contracts.base import TunixError

FAILURE_VARIABLE = "TUNIX_WORKER_FAILURE"
MAY_PASS_SUFFIX = ".may-pass"  # noqa: S105 - of a file beside the one with the sentence: a retry may help
PARENT_VARIABLE = "TUNIX_WORKER_PARENT"
WORKER_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # XLA takes and frees hundreds of megabytes in a step
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONUNBUFFERED": "1",
}

Report = Callable[[str], None]
Main = Callable[[bytes, Report], None]

_PR_SET_PDEATHSIG = 1
_PIPES_VARIABLES = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")


def run_worker(main: Main) -> NoReturn:
    """Call `main` with the bytes of the job file and a way to report, and exit.

    A TunixError, or a ValueError raised in this package, becomes one sentence on stderr; any other error
    keeps its traceback. Either way the exit status is 1, and the file named by `$TUNIX_WORKER_FAILURE` holds
    the sentence.
    """
    die_with_parent()
    if len(sys.argv) != 2:
        sys.exit("usage: python -m <module> JOB.json")
    failure: Exception | None = None
    with _reporting() as report:
        try:
            main(Path(sys.argv[1]).read_bytes(), report)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a process
            failure = error
    if failure:
        _fail(failure)
    sys.exit(0)


def child_environment(failure_file: Path) -> dict[str, str]:
    """Return the environment of a worker that dies with this process and leaves its sentence in a file."""
    return {
        **WORKER_ENVIRONMENT,
        **os.environ,
        FAILURE_VARIABLE: str(failure_file),
        PARENT_VARIABLE: str(os.getpid()),
    }


def restart_with_worker_environment() -> None:
    """Start this command over unless it has the environment of a worker: libc reads it at the start alone."""
    if not WORKER_ENVIRONMENT.keys() <= os.environ.keys():
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(command[0], command, {**WORKER_ENVIRONMENT, **os.environ})  # noqa: S606


def _fail(error: Exception) -> NoReturn:
    foreseen = _is_foreseen(error)
    sentence = " ".join(str(error).split()) if foreseen else f"{type(error).__name__}: {error}"
    if not foreseen:
        traceback.print_exception(error)
    else:
        print(sentence, file=sys.stderr)  # noqa: T201 - the command's answer
    if path := os.environ.get(FAILURE_VARIABLE):
        if isinstance(error, TunixError) and error.may_pass:
            Path(path + MAY_PASS_SUFFIX).touch()
        Path(path).write_text(sentence + "\n", encoding="utf-8")
    sys.exit(1)


def _is_foreseen(error: Exception) -> bool:
    if isinstance(error, TunixError):
        return True
    return isinstance(error, ValueError) and _raised_in_this_package(error.__traceback__)


def _raised_in_this_package(trace: TracebackType | None) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    module = frames[-1].f_globals.get("__name__", "") if frames else ""
    return bool(module.partition(".")[0] == __name__.partition(".")[0])


@contextmanager
def _reporting() -> Iterator[Report]:
    """Yield a way to report: into Dagster's log where Dagster has started the process, else by print."""
    if all(variable in os.environ for variable in _PIPES_VARIABLES):
        from dagster_pipes import open_dagster_pipes  # noqa: PLC0415 - only under Dagster

        with open_dagster_pipes() as pipes:
            yield pipes.log.info
    else:
        yield _print


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command's answer


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, and make sure that it has not died before.

    Only the parent can say who it is: a process whose parent is gone has another one, of any number.
    """
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None and parent != str(os.getppid()):
        sys.exit(f"the parent process {parent} is gone")
