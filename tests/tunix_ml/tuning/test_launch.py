import os
import time
from pathlib import Path

import pytest

from tunix_ml.tuning.launch import OutOfTime, WorkerFailed, launch


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A worker that does what its job says, importable by the processes that are started."""
    (tmp_path / "odd_worker.py").write_text(
        "import json, os, signal, sys, time\n"
        "from tunix_ml.worker import run_worker\n"
        "from tunix_ml.contracts.base import ContractError\n"
        "def main(data, report):\n"
        "    job = json.loads(data)\n"
        "    report(f\"pid {os.getpid()} of {os.environ['TUNIX_WORKER_PARENT']}\")\n"
        "    report(str('DAGSTER_PIPES_CONTEXT' in os.environ))\n"
        "    if job.get('sentence'):\n"
        "        raise ContractError(job['sentence'])\n"
        "    if job.get('signal'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    if job.get('status') is not None:\n"
        "        sys.stderr.write(job['words'])\n"
        "        sys.stderr.flush()\n"
        "        os._exit(job['status'])\n"
        "    time.sleep(job.get('sleep_s', 0))\n"
        "if __name__ == '__main__':\n"
        "    run_worker(main)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", "of the driver")
    return "odd_worker"


def test_its_lines_are_reported_and_dagster_is_kept_out_of_it(module: str) -> None:
    lines: list[str] = []

    launch(module, {}, report=lines.append, timeout_s=None)

    assert lines[0].endswith(f"of {os.getpid()}")
    assert lines[1:] == ["False"]


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ({"sentence": "num_heads 3 does not divide 16"}, "^num_heads 3 does not divide 16$"),
        ({"signal": True}, "^odd_worker was killed by SIGKILL$"),
        ({"status": 3, "words": "out of\nmemory"}, "^out of memory$"),
        ({"status": 3, "words": ""}, "^odd_worker ended with status 3$"),
    ],
)
def test_its_last_word_is_the_failure(module: str, job: dict[str, object], sentence: str) -> None:
    with pytest.raises(WorkerFailed, match=sentence):
        launch(module, job, report=lambda line: None, timeout_s=None)


def test_it_is_ended_when_its_time_is_up(module: str) -> None:
    lines: list[str] = []
    start = time.monotonic()

    with pytest.raises(OutOfTime, match="odd_worker was ended after 5 s, when its time was up"):
        launch(module, {"sleep_s": 600}, report=lines.append, timeout_s=5.0)

    assert time.monotonic() - start < 60


def test_it_does_not_outlive_a_listener_that_fails(module: str) -> None:
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(module, {"sleep_s": 600}, report=report, timeout_s=None)

    assert not Path("/proc", lines[0].split()[1]).exists()
