"""A single session, as a notebook holds it: the job `single_session` run to its end within a time.

The job runs in a process of its own, by the command that a terminal would run, so that a notebook's kernel
needs neither JAX nor Dagster's threads; it dies with the kernel. What it leaves is read from the store.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH
from tunix_ml.registry.bundle_evidence import Evidence
from tunix_ml.store import Store
from tunix_ml.worker import PARENT_VARIABLE

JOB = "single_session"
_NUM_LINES_TOLD = 6
# `python -m dagster`, after asking to die with the kernel: an orphan would hold the run.
_DAGSTER = (
    "import runpy; from tunix_ml.worker import die_with_parent; die_with_parent();"
    " runpy.run_module('dagster', run_name='__main__', alter_sys=True)"
)


class SessionFailed(TunixError):
    """The job did not come to its end."""


class Submission(NamedTuple):
    """What a session leaves: the archive, its content unpacked, and the evidence in it."""

    archive: Path
    folder: Path
    evidence: Evidence


def session_config(
    path: Path, *, ends_at: datetime | None, reserve_minutes: float, **settings: Any
) -> dict[str, Any]:
    """Return a run configuration whose training leaves time for what comes after it.

    Args:
        path: of the configuration to start from.
        ends_at: when the whole session has to be over, with its offset; None: whenever it is done.
        reserve_minutes: for the answers, their scores and the bundle.
        settings: of `checkpoint`, such as `seed`, `max_steps` or `max_examples`; None leaves the file's.
    """
    config: dict[str, Any] = copy.deepcopy(yaml.safe_load(path.read_text(encoding="utf-8")))
    training = config.setdefault("ops", {}).setdefault("checkpoint", {}).setdefault("config", {})
    training |= {name: value for name, value in settings.items() if value is not None}
    if ends_at is not None:
        training.pop("time_budget_minutes", None)
        training["deadline"] = (ends_at - timedelta(minutes=reserve_minutes)).isoformat()
    return config


def run_session(
    dataset_version: str, config: Mapping[str, Any], *, report: Callable[[str], None] = print
) -> None:
    """Run the job for one dataset version and report its lines as they come.

    The same configuration again goes on with a run that was cut short.

    Raises:
        SessionFailed: the job failed; the message is what it said first about that.
    """
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
        path = Path(folder, "config.yaml")
        path.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
        with _start(dataset_version, path) as process:
            for line in process.stdout or ():
                lines.append(line.strip())
                report(line.rstrip("\n"))
    if process.returncode:
        raise SessionFailed(f"the job {JOB} of {dataset_version} failed: {_reason(lines)}")


def collect_submission(store: Store, dataset_version: str, folder: Path) -> Submission:
    """Copy the current bundle of a dataset version into a folder and unpack it there, verified.

    Raises:
        NotPublished: there is none.
        CorruptBundle: it is not what was published.
    """
    from tunix_ml.registry.bundle import BUNDLE_FILE, bundle_slot
    from tunix_ml.registry.bundle_reader import extract_bundle, verify_bundle

    snapshot = bundle_slot(store, dataset_version).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    archive, unpacked = folder / BUNDLE_FILE, folder / snapshot.digest[:DIGEST_PREFIX_LENGTH]
    shutil.copyfile(snapshot.file(BUNDLE_FILE), archive)
    evidence = verify_bundle(archive) if unpacked.exists() else extract_bundle(archive, unpacked)
    return Submission(archive, unpacked, evidence)


def _reason(lines: Sequence[str]) -> str:
    """Return the first failure that was told, or what Dagster refused before it began, else the end."""
    failed = [line for line in lines if " FAILED" in line]
    errors = [index for index, line in enumerate(lines) if line.startswith("dagster._core.errors.")]
    if failed:
        return failed[0]
    start = errors[0] if errors else -_NUM_LINES_TOLD
    return " ".join(filter(None, lines[start:][:_NUM_LINES_TOLD])) or "it said nothing"


def _start(dataset_version: str, config: Path) -> subprocess.Popen[str]:
    tags = json.dumps({"dagster/partition": dataset_version})
    words = ["job", "execute", "-m", "tunix_assets.definitions", "-j", JOB, "-c", str(config), "--tags", tags]
    environment = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", _DAGSTER, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
