import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.store import Store

Identify = Callable[..., RunIdentity]


def job(store: Store, identity: RunIdentity, **execution: Any) -> Path:
    config = ExecutionConfig.model_validate({"device": "cpu", "log_every_steps": 1, **execution})
    path = store.home / "job.json"
    path.write_text(
        json.dumps(
            {
                "home": str(store.home),
                "identity": identity.model_dump(mode="json"),
                "execution": config.model_dump(mode="json"),
            }
        )
    )
    return path


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tunix_ml.training", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(path: Path) -> tuple[str, str]:
    with start(path) as process:
        return process.communicate(timeout=120)


def test_a_job_that_cannot_be_done_fails_in_a_sentence(sums: Store, identify: Identify) -> None:
    identity = identify(sums)
    path = job(sums, identity, resume_from="7")
    environment = {**os.environ, "TUNIX_WORKER_FAILURE": str(sums.home / "failure")}

    result = subprocess.run(
        [sys.executable, "-m", "tunix_ml.training", str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr.startswith("resume_from '7' is neither 'latest' nor 'none'")
    assert (sums.home / "failure").read_text() == result.stderr


def test_a_job_with_an_unknown_key_is_refused(sums: Store, identify: Identify) -> None:
    path = job(sums, identify(sums))
    path.write_text(path.read_text().replace('"home"', '"house"'))

    _, err = finish(path)

    assert "the job is not a TrainJob: home: this field is required" in err
    assert "house: there is no such field, did you mean 'home'?" in err
