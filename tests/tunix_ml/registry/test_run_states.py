"""The states of runs, from their files and from the facts about the Dagster runs behind them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.run_state import RunState, StatusFact
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.registry.run_states import open_failures, run_states
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.status_facts import record_status
from tunix_ml.store import RunDirectory, Store

VERSION = "golden-v2"


@pytest.fixture
def run(store: Store, evaluated: Callable[..., Slot]) -> RunDirectory:
    """A run that was trained, asked and scored."""
    return store.run(evaluated(recipe="tiny").key)


@pytest.fixture
def happens(store: Store, run: RunDirectory) -> Callable[..., None]:
    """A function that keeps a fact about the Dagster run behind the run; each is later than the last."""
    hours = iter(range(24))

    def happen(status: str, orchestration: str = "d1", **changes: Any) -> None:
        fields = {
            "orchestration_run_id": orchestration,
            "status": status,
            "at": f"2099-01-01T{next(hours):02}:00:00+00:00",
            "assets": ["checkpoint", "eval_report", "predictions"],
            "dataset_version": VERSION,
            "run_id": run.run_id,
        }
        record_status(store, StatusFact.model_validate(fields | changes))

    return happen


def state(store: Store) -> RunState:
    (found,) = run_states(store)
    return found


def unscore(run: RunDirectory) -> None:
    shutil.rmtree(run.path / "eval")


def untrain(run: RunDirectory) -> None:
    unscore(run)
    shutil.rmtree(run.path / "predictions")
    (run.path / "checkpoint.json").unlink()


def test_a_store_without_runs_has_no_states(store: Store) -> None:
    assert run_states(store) == ()


def test_a_run_that_was_scored_is_completed_also_without_any_fact(store: Store, run: RunDirectory) -> None:
    found = state(store)

    assert (found.run_id, found.dataset_version, found.state) == (run.run_id, VERSION, "completed")
    assert (found.reason, found.orchestration_run_id) == (None, None)
    assert found.since is not None
    assert found.since.endswith("+00:00")


def test_the_ranking_that_follows_a_score_is_no_longer_the_run(
    store: Store, happens: Callable[..., None]
) -> None:
    happens("started")

    assert state(store).state == "completed"
    assert state(store).orchestration_run_id == "d1"


def test_a_run_without_a_checkpoint_is_training_while_its_dagster_run_goes_on(
    store: Store, run: RunDirectory, happens: Callable[..., None]
) -> None:
    untrain(run)
    happens("queued")
    happens("started")

    assert (state(store).state, state(store).since) == ("training", "2099-01-01T01:00:00+00:00")


def test_a_run_without_a_checkpoint_is_training_while_a_process_holds_it(
    store: Store, run: RunDirectory
) -> None:
    untrain(run)

    with run.lease():
        assert state(store).state == "training"
    assert state(store).state == "training_failed"
    assert "process is gone" in str(state(store).reason)


def test_a_run_whose_texts_lack_a_score_is_evaluating(store: Store, run: RunDirectory) -> None:
    unscore(run)

    assert state(store).state == "evaluating"
    assert state(store).reason == "no score yet of golden-v2.test"


def test_a_run_that_is_to_be_asked_next_is_evaluating(
    store: Store, run: RunDirectory, happens: Callable[..., None]
) -> None:
    unscore(run)
    shutil.rmtree(run.path / "predictions")
    assert (state(store).state, state(store).reason) == ("completed", "trained, and asked nothing")

    happens("started")

    assert state(store).state == "evaluating"


@pytest.mark.parametrize(
    ("stopped_by", "told"),
    [
        ("time_budget", "stopped after step 20 of 60, at the end of its time"),
        ("pause", "stopped after step 20 of 60, where it was to pause"),
    ],
)
def test_a_run_that_ended_before_its_last_step_says_so(
    store: Store, run: RunDirectory, stopped_by: Any, told: str
) -> None:
    record = CheckpointRecord.read(run.path / "checkpoint.json")
    early = record.model_copy(update={"num_train_steps": 60, "stopped_by": stopped_by})
    (run.path / "checkpoint.json").write_bytes(early.to_json())
    assert (state(store).state, state(store).reason) == ("completed", told)

    with run.lease():
        assert (state(store).state, state(store).reason) == ("training", f"it was {told}, and goes on")

    unscore(run)
    shutil.rmtree(run.path / "predictions")

    assert (state(store).state, state(store).reason) == ("completed", f"{told}, and asked nothing")


def test_the_trials_that_a_sweep_ended_early_say_so(store: Store, swept: Snapshot) -> None:
    reasons = sorted(str(found.reason) for found in run_states(store))

    paused = "stopped after step 10 of 20, where it was to pause, and asked nothing"
    assert reasons == [paused] * 2 + ["trained, and asked nothing"] * 3


@pytest.mark.parametrize(
    ("failed_asset", "expected"), [("checkpoint", "training_failed"), (None, "training_failed")]
)
def test_a_training_that_failed_says_why(
    store: Store, run: RunDirectory, happens: Callable[..., None], failed_asset: str | None, expected: str
) -> None:
    untrain(run)
    happens("started")
    happens("failed", failed_asset=failed_asset, reason="the loss is not finite")

    assert (state(store).state, state(store).reason) == (expected, "the loss is not finite")


@pytest.mark.parametrize("failed_asset", ["predictions", "eval_report"])
def test_an_evaluation_that_failed_is_one(
    store: Store, run: RunDirectory, happens: Callable[..., None], failed_asset: str
) -> None:
    unscore(run)
    happens("failed", failed_asset=failed_asset, reason="no memory")

    assert (state(store).state, state(store).reason) == ("evaluation_failed", "no memory")


@pytest.mark.parametrize("status", ["cancelled", "timed_out"])
def test_what_was_ended_from_outside_says_so(
    store: Store, run: RunDirectory, happens: Callable[..., None], status: str
) -> None:
    untrain(run)
    happens("started")
    happens(status, reason="by hand")

    assert (state(store).state, state(store).reason) == (status, "by hand")


def test_a_failure_after_the_score_leaves_the_run_completed(
    store: Store, happens: Callable[..., None]
) -> None:
    happens("failed", failed_asset="leaderboard", reason="no space")

    assert state(store).state == "completed"


def test_a_later_success_makes_a_failure_good(store: Store, happens: Callable[..., None]) -> None:
    happens("failed", failed_asset="eval_report", reason="no memory")
    happens("succeeded", "d2")

    assert (state(store).state, state(store).orchestration_run_id) == ("completed", "d2")


def test_a_dagster_run_that_waits_to_train_is_queued(store: Store, run: RunDirectory) -> None:
    shutil.rmtree(run.path)
    at = "2026-01-01T00:00:00+00:00"
    fact = StatusFact(
        orchestration_run_id="d1", status="queued", at=at, assets=("checkpoint",), dataset_version=VERSION
    )
    record_status(store, fact)

    found = state(store)

    assert (found.run_id, found.state, found.orchestration_run_id) == ("d1", "queued", "d1")


@pytest.mark.parametrize(
    ("status", "assets", "expected"),
    [
        ("started", ("checkpoint",), ["queued"]),
        ("cancelled", ("checkpoint",), ["cancelled"]),
        ("timed_out", ("checkpoint",), ["timed_out"]),
        ("failed", ("checkpoint",), []),
        ("queued", ("dataset",), []),
    ],
)
def test_only_what_is_to_train_counts_before_there_is_a_run(
    store: Store, status: Any, assets: tuple[str, ...], expected: list[str]
) -> None:
    at = "2026-01-01T00:00:00+00:00"
    fact = StatusFact(orchestration_run_id="d1", status=status, at=at, assets=assets, dataset_version=VERSION)
    record_status(store, fact)

    assert [found.state for found in run_states(store)] == expected


def test_a_run_whose_identity_is_damaged_has_no_state(store: Store, run: RunDirectory) -> None:
    (run.path / "config.json").write_text("{}")

    assert run_states(store) == ()


def test_the_time_of_a_run_is_that_of_its_last_file(store: Store, run: RunDirectory) -> None:
    for path in (run.path / "config.json", run.path / "checkpoint.json", *run.path.glob("eval/*/*.json")):
        os.utime(path, (0, 0))

    assert state(store).since == "1970-01-01T00:00:00+00:00"


# What failed and was not made good


def failures(store: Store) -> list[tuple[str | None, str | None]]:
    return [(fact.failed_asset, fact.dataset_version) for fact in open_failures(store)]


def test_a_failure_stays_until_the_asset_is_made(store: Store, happens: Callable[..., None]) -> None:
    happens("failed", "d1", assets=["dataset"], failed_asset="dataset")
    happens("succeeded", "d2", assets=["sft_export"])
    happens("succeeded", "d3", assets=["dataset"], dataset_version="other-v1")
    assert failures(store) == [("dataset", VERSION)]

    happens("succeeded", "d4", assets=["dataset", "sft_export"])

    assert failures(store) == []


def test_a_check_that_failed_is_made_good_when_it_passes_and_nothing_is_made(
    store: Store, happens: Callable[..., None]
) -> None:
    checks: dict[str, Any] = {"assets": [], "checked": ["dataset", "eval_report"]}
    happens("failed", "d1", failed_asset="eval_report", failed_check="score_has_not_regressed", **checks)
    happens("failed", "d2", failed_asset="dataset")

    happens("succeeded", "d3", **checks)

    assert failures(store) == [("dataset", VERSION)]


def test_a_failure_again_is_one_failure(store: Store, happens: Callable[..., None]) -> None:
    happens("failed", "d1", failed_asset="dataset", reason="first")
    happens("failed", "d2", failed_asset="dataset", reason="second")

    assert [fact.reason for fact in open_failures(store)] == ["second"]


def test_a_killed_run_is_made_good_by_a_success_of_anything_that_it_was_to_make(
    store: Store, happens: Callable[..., None]
) -> None:
    happens("failed", "d1", assets=["sft_export", "tokenized_examples"])
    assert failures(store) == [(None, VERSION)]

    happens("succeeded", "d2", assets=["tokenized_examples"])

    assert failures(store) == []


def test_facts_are_read_where_they_lie(store: Store, happens: Callable[..., None]) -> None:
    happens("queued")

    assert [path.relative_to(store.home) for path in store.home.rglob("queued.json")] == [
        Path("status/d1/queued.json")
    ]
