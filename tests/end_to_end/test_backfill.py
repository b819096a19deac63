"""The commands of the page about backfills, one by one; the runs that they ask for stay in the queue."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.partitions import catalog_keys

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "backfill.md"
COMMANDS = re.findall(r"^uv run (dagster job backfill .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
TWO = ["golden-v1", "golden-v2"]


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an instance as `make dev` has it, with the catalog registered."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("TUNIX_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("dataset_version", catalog_keys())
    return home


def queued() -> list[tuple[str, str]]:
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    return sorted((run.job_name, run.tags["dagster/partition"]) for run in runs)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize(
    ("command", "expected"),
    list(zip(COMMANDS, (TWO, TWO, catalog_keys()), strict=True)),
    ids=("by name", "a range", "all"),
)
def test_a_command_asks_for_one_run_for_each_version(
    dagster_home: Path, command: str, expected: list[str]
) -> None:
    words = [sys.executable, "-m", *shlex.split(command)]

    done = subprocess.run(
        words, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr[-2_000:]
    assert queued() == sorted(("build_dataset", version) for version in expected)
