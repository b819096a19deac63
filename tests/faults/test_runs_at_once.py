"""Eight runs at once over four dataset versions of one store: nothing is lost, none waits for ever."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tunix_ml.registry.leaderboard import read_leaderboard
from tunix_ml.store import RunDirectory, Store

NUM_RUNS = 8
VERSIONS = [f"busy-{letter}-v1" for letter in "abcd"]
LIMIT_S = 300  # about 30 on two quiet cores
RECIPE = """
description: Forty tasks, to be built by two processes at once.
license: Apache-2.0
source: {{kind: generator, generator: golden, seed: {seed}, num_traces: 40}}
splits: {{train: 0.6, validation: 0.2, test: 0.2}}
"""
# A process that has loaded everything becomes eight. Each builds and exports a version, scores a trained run,
# then ranks everything and writes the pages; the exit code is the number of those that failed.
SCRIPT = textwrap.dedent(
    """
    import logging, os, sys, traceback
    import dagster as dg
    import duckdb, great_expectations, great_expectations.expectations, pyarrow.parquet
    from asset_checks.eval_report import BLOCKING
    from tunix_assets.definitions import defs
    from tunix_ml.audits import record_audit
    from tunix_ml.evaluation.report import evaluate
    from tunix_ml.store import Store

    def run(job, **arguments):
        return defs.resolve_job_def(job).execute_in_process(**arguments)

    def work(version, run_id):
        store = Store.from_environment()
        run("build_dataset", partition_key=version)
        run("train_and_evaluate", partition_key=version, asset_selection=[dg.AssetKey("sft_export")])
        report = evaluate(store, run_id, "golden-v2.test")
        slot = store.run(run_id).slot("eval/golden-v2.test")
        for check in BLOCKING:
            record_audit(slot, report.digest, check=check, passed=True, description="as the test has it")
        run("results")

    def start(version, run_id):
        child = os.fork()
        if child:
            return child
        try:
            work(version, run_id)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    logging.disable(logging.INFO)
    children = [start(*argument.split("/")) for argument in sys.argv[1:]]
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
    """
)

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture
def trained(
    store: Store, finished_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The ids of eight trained runs that wait to be scored, beside the recipes of four versions to build."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    (store.home / "recipes").mkdir()
    for seed, version in enumerate(VERSIONS):
        (store.home / "recipes" / f"{version}.yaml").write_text(RECIPE.format(seed=seed))
    return [
        finished_run(recipe=f"recipe-{number}", share_right=number / NUM_RUNS).run_id
        for number in range(NUM_RUNS)
    ]


def run_at_once(trained: list[str], log: Path) -> str:
    """Start a process for each run, all at one moment, and return what was said if one of them failed."""
    pairs = [f"{VERSIONS[number % len(VERSIONS)]}/{run_id}" for number, run_id in enumerate(trained)]
    with log.open("wb") as said:
        launcher = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *pairs], stdout=said, stderr=said, start_new_session=True
        )
    try:
        failed = launcher.wait(LIMIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launcher.pid, signal.SIGKILL)
    return log.read_text()[-4_000:] if failed else ""


def contents(path: Path) -> list[Path]:
    return [found for found in path.iterdir() if found.is_dir() and (found / "artifact.json").exists()]


def test_eight_runs_at_once_all_end_well_and_lose_nothing(
    store: Store, trained: list[str], tmp_path: Path
) -> None:
    complaint = run_at_once(trained, tmp_path / "said.txt")

    assert complaint == ""
    assert store.verify() == []
    assert [path for path in store.home.rglob(".tmp-*") if "cache" not in path.parts] == []
    for version in VERSIONS:
        for table in ("dataset", "sft_export"):
            assert len(contents(store.slot(table, version).path)) == 1, (table, version)
    board = store.slot("leaderboard", "all").resolve()
    assert {row["run_id"] for row in read_leaderboard(board) if row["status"] == "valid"} == set(trained)
    site = store.slot("results_site", "all").resolve()
    assert site.record.parents["leaderboard"] == board.digest
    with duckdb.connect(str(store.home / "catalog.duckdb"), read_only=True) as catalog:
        counts = dict(catalog.execute("SELECT key, count(*) FROM traces GROUP BY key").fetchall())
        ranked = catalog.execute("SELECT count(*) FROM leaderboard").fetchone()
    assert counts == {"golden-v2": 100, **dict.fromkeys(VERSIONS, 40)}
    assert ranked == (NUM_RUNS,)
