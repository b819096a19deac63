"""Eight runs at once over four dataset versions of one store: nothing is lost, none waits for ever."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tunix_ml.registry.leaderboard import read_leaderboard
from tunix_ml.store import RunDirectory, Store

NUM_RUNS = 8
VERSIONS = [f"busy-{letter}-v1" for letter in "abcd"]
LIMIT_S = 540  # about 60 on two quiet cores
RECIPE = """
description: Forty tasks, to be built by two processes at once.
license: Apache-2.0
source: {{kind: generator, generator: golden, seed: {seed}, num_traces: 40}}
splits: {{train: 0.6, validation: 0.2, test: 0.2}}
"""
# Builds and exports a version, scores a trained run, then ranks everything and writes the pages.
SCRIPT = textwrap.dedent(
    """
    import logging, sys
    import dagster as dg
    from asset_checks.eval_report import BLOCKING
    from tunix_assets.definitions import defs
    from tunix_ml.audits import record_audit
    from tunix_ml.evaluation.report import evaluate
    from tunix_ml.store import Store

    logging.disable(logging.INFO)

    def run(job, **arguments):
        return defs.resolve_job_def(job).execute_in_process(**arguments)

    version, run_id = sys.argv[1:]
    store = Store.from_environment()
    print("ready", flush=True)
    sys.stdin.readline()
    run("build_dataset", partition_key=version)
    run("train_and_evaluate", partition_key=version, asset_selection=[dg.AssetKey("sft_export")])
    report = evaluate(store, run_id, "golden-v2.test")
    slot = store.run(run_id).slot("eval/golden-v2.test")
    for check in BLOCKING:
        record_audit(slot, report.digest, check=check, passed=True, description="as the test has it")
    run("results")
    """
)

pytestmark = pytest.mark.slow


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


def run_at_once(trained: list[str], folder: Path) -> list[str]:
    """Start a process for each run, let all begin at one moment, and return what the failed ones said."""
    processes, logs = [], [folder / f"{number}.txt" for number in range(NUM_RUNS)]
    for number, run_id in enumerate(trained):
        command = [sys.executable, "-c", SCRIPT, VERSIONS[number % len(VERSIONS)], run_id]
        with logs[number].open("wb") as log:
            processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
            )
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write(b"\n")
            process.stdin.flush()
        deadline = time.monotonic() + LIMIT_S
        codes = [process.wait(max(deadline - time.monotonic(), 0)) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [log.read_text()[-2_000:] for log, code in zip(logs, codes, strict=True) if code]


def contents(path: Path) -> list[Path]:
    return [found for found in path.iterdir() if found.is_dir() and (found / "artifact.json").exists()]


def test_eight_runs_at_once_all_end_well_and_lose_nothing(
    store: Store, trained: list[str], tmp_path: Path
) -> None:
    failed = run_at_once(trained, tmp_path)

    assert failed == []
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
