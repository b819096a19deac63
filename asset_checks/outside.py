"""Run a worker of tunix_ml outside this process: JAX belongs in no process of Dagster."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunix_ml.contracts.base import TunixError
from tunix_ml.worker import PARENT_VARIABLE

_MOST_CHARS = 500


def run_outside(module: str, job: Mapping[str, Any]) -> None:
    """Run `python -m <module> JOB.json` to its end; it dies with this process.

    Raises:
        TunixError: it failed; the message is its last word.
    """
    with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps(dict(job)), encoding="utf-8")
        environment = {
            **os.environ,
            PARENT_VARIABLE: str(os.getpid()),
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # a training may be on the accelerator beside it
        }
        command = [sys.executable, "-m", module, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        if done.returncode != 0:
            raise TunixError(" ".join(done.stderr.split())[-_MOST_CHARS:])
