"""A single session: bounded, resumable, and read back from the store."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunix_assets.single_session import SessionFailed, collect_submission, run_session, session_config
from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.slot import Slot
from tunix_ml.store import Store

ROOT = Path(__file__).parents[2]
SINGLE_SESSION, SMOKE = ROOT / "configs" / "single_session.yaml", ROOT / "configs" / "smoke.yaml"
ENDS_AT = datetime(2027, 1, 31, 18, 0, tzinfo=UTC)
LONG = {"num_train_steps": 300, "save_every_steps": 10, "eval_every_steps": 100}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the test's folder: where Dagster is killed, it leaves a temporary folder in the working one."""
    monkeypatch.chdir(tmp_path)


def training(config: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = config["ops"]["checkpoint"]["config"]
    return settings


def test_training_ends_before_the_session_by_what_is_reserved() -> None:
    settings = training(session_config(SINGLE_SESSION, ends_at=ENDS_AT, reserve_minutes=1.5))

    assert settings["deadline"] == "2027-01-31T17:58:30+00:00"
    assert "time_budget_minutes" not in settings
    ExecutionConfig(deadline=settings["deadline"])


def test_without_an_end_the_budget_of_the_file_stays() -> None:
    settings = training(session_config(SINGLE_SESSION, ends_at=None, reserve_minutes=1.5))

    assert settings == training(yaml.safe_load(SINGLE_SESSION.read_text()))


def test_settings_are_taken_over_unless_they_are_none() -> None:
    config = session_config(SMOKE, ends_at=None, reserve_minutes=0, seed=7, max_steps=None, max_examples=40)

    assert training(config)["seed"] == 7
    assert training(config)["max_examples"] == 40
    assert "max_steps" not in training(config)


def test_a_submission_is_copied_and_unpacked_and_the_second_time_found(
    store: Store, bundled: Callable[..., Slot], tmp_path: Path
) -> None:
    bundled()

    first = collect_submission(store, "golden-v2", tmp_path / "output")
    again = collect_submission(store, "golden-v2", tmp_path / "output")

    assert first == again
    assert (first.folder / "README.md").is_file()
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == sorted(
        [first.archive.name, first.folder.name]
    )


@pytest.mark.slow
def test_a_session_that_cannot_be_says_why(home: Path, elsewhere: None) -> None:
    config = session_config(SMOKE, ends_at=None, reserve_minutes=0, batch_sice=2)

    with pytest.raises(SessionFailed, match="batch_sice"):
        run_session("golden-v1", config, report=lambda line: None)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_session_that_was_killed_goes_on_from_its_last_checkpoint(home: Path, elsewhere: None) -> None:
    config = session_config(SMOKE, ends_at=None, reserve_minutes=0, **LONG)
    process = start_session(config, home)
    wait_until(lambda: num_rows(home) >= 20, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not writes(home), None)
    lines: list[str] = []

    run_session("golden-v1", config, report=lines.append)

    store = Store(home)
    (run_id,) = store.run_ids()
    submission = collect_submission(store, "golden-v1", home.parent / "output")
    assert any(f"resuming {run_id}" in line for line in lines), "\n".join(lines)
    assert submission.evidence.manifest.run_id == run_id
    assert submission.evidence.manifest.step == LONG["num_train_steps"]
    assert any("score: " in line for line in lines)


def start_session(config: dict[str, Any], home: Path) -> subprocess.Popen[bytes]:
    """Start a process that holds a session, as a notebook's kernel does."""
    path = home.parent / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    script = (
        "import sys, yaml; from tunix_assets.single_session import run_session;"
        " run_session('golden-v1', yaml.safe_load(open(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def num_rows(home: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in home.glob("runs/*/metrics.jsonl"))


def writes(home: Path) -> bool:
    """Say whether a process still trains: its rows grow."""
    before = num_rows(home)
    time.sleep(2)
    return num_rows(home) != before


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + float(os.environ.get("TUNIX_TEST_PATIENCE_S", "400"))
    while not holds():
        assert process is None or process.poll() is None, "the session ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.1)
