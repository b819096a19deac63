"""A build is killed with SIGKILL: a second one ends as if nothing had been, and no process stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asset_checks.dataset import counts_agree, digest_matches_content
from asset_checks.outcome import Subject
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.read import Dataset
from tunix_ml.store import Store

BUILD = """
import sys
from pathlib import Path
from tests_entry import entry
from tunix_ml.datasets.build import build_dataset
from tunix_ml.store import Store

folder = Path(sys.argv[1])
report = lambda line: print(line, flush=True)
build_dataset(Store(folder / "home"), entry(folder), report=report, num_workers=2)
"""
ENTRY = """
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.datasets.catalog import CatalogEntry

def entry(folder):
    source = {"kind": "jsonl", "path": "a.jsonl"}
    recipe = DatasetRecipe(description="d", license="l", source=source, max_reject_rate=0.5)
    return CatalogEntry("a-v1", recipe, folder / "a.yaml")
"""
NUM_ROWS = 60_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests_entry.py").write_text(ENTRY)
    step = '{"i":0,"type":"t","content":"c"}'
    with (tmp_path / "a.jsonl").open("w") as file:
        for n in range(NUM_ROWS):
            file.write(f'{{"trace_version":"1","prompt":"Q{n}","final_answer":"A","steps":[{step}]}}\n')
            if n % 1_000 == 0:
                file.write("{broken\n")
            if n % 1_500 == 0:
                file.write(f'{{"trace_version":"1","prompt":"Q{n}","final_answer":"A","steps":[{step}]}}\n')
    return tmp_path


def workers() -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"tunix_ml.datasets.ingest_worker" in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_a_build_that_was_killed_can_be_done_again(folder: Path) -> None:
    before = workers()
    environment = os.environ | {"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}
    command = [sys.executable, "-c", BUILD, str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert "50,000 records read" in process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while workers() - before and time.monotonic() < deadline:
        time.sleep(0.05)

    store = Store(folder / "home")
    assert workers() - before == set()
    assert store.slot("dataset", "a-v1").pointer() is None

    recipe = DatasetRecipe(
        description="d", license="l", source={"kind": "jsonl", "path": "a.jsonl"}, max_reject_rate=0.5
    )
    entry = CatalogEntry("a-v1", recipe, folder / "a.yaml")
    dataset = Dataset(build_dataset(store, entry, report=lambda line: None))
    elsewhere = build_dataset(Store(folder / "other"), entry, report=lambda line: None, num_workers=0)

    assert dataset.manifest.counts() == (NUM_ROWS + 100, NUM_ROWS, 60, 0, 40)
    subject = Subject(store, "a-v1", store.slot("dataset", "a-v1"), dataset.snapshot)
    assert counts_agree(subject).passed
    assert digest_matches_content(subject).passed
    assert dataset.snapshot.digest == elsewhere.digest
    assert dataset.snapshot.verify() == []
    store.gc(grace_s=0)
    assert list(store.slot("dataset", "a-v1").path.glob(".tmp-*")) == []
