import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster_pipes import PipesContextData, encode_param

from tunix_ml.worker import FAILURE_VARIABLE, PARENT_VARIABLE, child_environment

PROGRAM = """
import sys, time
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.worker import run_worker

def main(data, report):
    report(f"got {data.decode()}")
    exec(data)

run_worker(main)
"""


def start(tmp_path: Path, job: str, **environment: str) -> subprocess.Popen[str]:
    (tmp_path / "job").write_text(job)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "job")],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_worker_gets_its_job_and_reports(tmp_path: Path) -> None:
    assert finish(start(tmp_path, "1 + 1")) == (0, "got 1 + 1\n", "")


def test_a_foreseen_error_is_one_sentence(tmp_path: Path) -> None:
    job = "raise ContractError('two words\\n  and more')"

    status, _, err = finish(start(tmp_path, job, **{FAILURE_VARIABLE: str(tmp_path / "failure")}))

    assert (status, err) == (1, "two words and more\n")
    assert (tmp_path / "failure").read_text() == err


def test_a_value_error_of_this_package_is_foreseen(tmp_path: Path) -> None:
    status, _, err = finish(start(tmp_path, "parse_dataset_version('Golden')"))

    assert status == 1
    assert err.startswith("dataset version 'Golden' is not of the form <name>-v<number>")
    assert err.count("\n") == 1


@pytest.mark.parametrize("job", ["int('five')", "1 / 0"])
def test_any_other_error_keeps_its_traceback(tmp_path: Path, job: str) -> None:
    status, _, err = finish(start(tmp_path, job, **{FAILURE_VARIABLE: str(tmp_path / "failure")}))

    last = err.splitlines()[-1]
    assert status == 1
    assert err.startswith("Traceback")
    assert last.startswith(("ValueError: ", "ZeroDivisionError: "))
    assert (tmp_path / "failure").read_text() == f"{last}\n"


def test_a_worker_without_a_job_says_what_it_needs(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (1, "usage: python -m <module> JOB.json\n")


def test_under_dagster_a_worker_reports_into_its_log(tmp_path: Path) -> None:
    messages = tmp_path / "messages"
    messages.touch()
    context = dict.fromkeys(PipesContextData.__annotations__) | {"extras": {}}

    status, out, err = finish(
        start(
            tmp_path,
            "1 + 1",
            DAGSTER_PIPES_CONTEXT=encode_param({"data": context}),
            DAGSTER_PIPES_MESSAGES=encode_param({"path": str(messages)}),
        )
    )

    said = [json.loads(line) for line in messages.read_text().splitlines()]
    assert (status, out, err) == (0, "", "")
    assert [message["method"] for message in said] == ["opened", "log", "closed"]
    assert said[1]["params"] == {"message": "got 1 + 1", "level": "INFO"}
    assert said[2]["params"] == {}


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_worker_whose_parent_has_died_before_it_began_ends_at_once(tmp_path: Path) -> None:
    status, out, err = finish(start(tmp_path, "1", **{PARENT_VARIABLE: "1"}))

    assert (status, out, err) == (1, "", "the parent process 1 is gone\n")


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is a process of the test's own that starts the worker and is then killed."""
    pid_file = tmp_path / "pid"
    job = f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    (tmp_path / "job").write_text(job)
    starter = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    parent = subprocess.Popen([sys.executable, "-c", starter, PROGRAM, str(tmp_path / "job")])
    worker = int(wait_for(lambda: pid_file.exists() and pid_file.read_text()))

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    wait_for(lambda: not is_running(worker))


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: "object") -> str:
    deadline = time.monotonic() + 30
    while not (found := condition()):  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return str(found)


def test_a_command_starts_over_with_the_environment_of_a_worker_and_keeps_what_is_set() -> None:
    program = (
        "import os, sys; from tunix_ml.worker import restart_with_worker_environment as restart; restart();"
        "print(os.environ['GLIBC_TUNABLES'], os.environ['PYTHONUNBUFFERED'], sys.argv[1:])"
    )
    environment = {"PATH": os.environ["PATH"], "GLIBC_TUNABLES": "glibc.malloc.perturb=0"}
    command = [sys.executable, "-c", program, "a b"]
    out = subprocess.check_output(command, env=environment, text=True, timeout=60)
    assert out == "glibc.malloc.perturb=0 1 ['a b']\n"


def test_a_child_knows_its_parent_and_where_to_leave_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")

    environment = child_environment(tmp_path / "failure.txt")

    assert environment[PARENT_VARIABLE] == str(os.getpid())
    assert environment[FAILURE_VARIABLE] == str(tmp_path / "failure.txt")
    assert environment["TOKENIZERS_PARALLELISM"] == "true"  # what the user has set is kept
