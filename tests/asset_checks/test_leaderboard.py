import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks import leaderboard
from asset_checks.eval_report import BLOCKING
from asset_checks.outcome import Check, Subject
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Row = dict[str, Any]
Evaluated = Callable[..., Slot]


@pytest.fixture
def board(store: Store, evaluated: Evaluated) -> Subject:
    """A published board of two runs."""
    evaluated(recipe="best", share_right=1.0)
    evaluated(recipe="good", share_right=0.5)
    return Subject(
        store, "all", store.slot("leaderboard", "all"), publish_leaderboard(store, required_checks=BLOCKING)
    )


@pytest.fixture
def plant(
    board: Subject, tampered: Callable[..., Subject], edit_table: Callable[..., Callable[[Path], None]]
) -> Callable[..., Subject]:
    """A function that publishes the board with changed rows."""
    return lambda change: tampered(board.slot, edit_table("leaderboard.parquet", change))


def change_first(**changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0].update(changes)


@pytest.mark.parametrize("check", leaderboard.CHECKS, ids=lambda check: check.name)
def test_a_sound_board_passes_every_check(board: Subject, check: Check) -> None:
    outcome = check.function(board)

    assert outcome.passed, outcome.description


def test_an_empty_board_is_sound(store: Store) -> None:
    board = Subject(
        store, "all", store.slot("leaderboard", "all"), publish_leaderboard(store, required_checks=BLOCKING)
    )

    assert all(check.function(board).passed for check in leaderboard.CHECKS)


# rows_are_current


def test_a_run_that_is_not_shown_is_found(board: Subject, evaluated: Evaluated) -> None:
    slot = evaluated(recipe="late", share_right=0.25)

    outcome = leaderboard.rows_are_current(board)

    # Its report came after the board: a warning, since the run that made it will rank it.
    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert f"{slot.key} on golden-v2.test by answers is not shown" in outcome.description


def test_a_new_run_excuses_no_other_difference(plant: Callable[..., Subject], evaluated: Evaluated) -> None:
    subject = plant(change_first(primary_score=0.9))
    evaluated(recipe="late", share_right=0.25)

    outcome = leaderboard.rows_are_current(subject)

    assert (outcome.passed, outcome.severity) == (False, "ERROR")


def test_a_verdict_that_came_since_is_a_warning(plant: Callable[..., Subject]) -> None:
    outcome = leaderboard.rows_are_current(plant(change_first(status="invalid", reason="not audited")))

    assert (outcome.passed, outcome.severity) == (False, "WARN")


def test_a_run_that_is_gone_is_found(board: Subject) -> None:
    gone = board.store.run_ids()[0]
    shutil.rmtree(board.store.run(gone).path)

    outcome = leaderboard.rows_are_current(board)

    assert (outcome.passed, outcome.severity) == (False, "ERROR")
    assert f"{gone} on golden-v2.test by answers is shown and gone" in outcome.description


def test_a_row_that_became_stale_is_found(board: Subject, tampered: Callable[..., Subject]) -> None:
    dataset = board.store.slot("dataset", "golden-v2")
    tampered(dataset, lambda folder: (folder / "README.md").write_text("new"))

    outcome = leaderboard.rows_are_current(board)

    assert (outcome.passed, outcome.severity) == (False, "ERROR")
    changed = ["rank", "tie_group", "rank_low", "rank_high", "status", "reason"]
    assert f"is out of date in {changed}" in outcome.description


@pytest.mark.parametrize(
    "changes", [{"primary_score": 0.9}, {"rank": 2}, {"stderr": 0.5}, {"fingerprint": "0" * 64}]
)
def test_a_row_with_another_value_is_found(plant: Callable[..., Subject], changes: dict[str, Any]) -> None:
    outcome = leaderboard.rows_are_current(plant(change_first(**changes)))

    assert (outcome.passed, outcome.severity) == (False, "ERROR")
    assert f"is out of date in ['{next(iter(changes))}']" in outcome.description


# each_key_has_one_row


def test_a_run_that_is_shown_twice_is_found(plant: Callable[..., Subject]) -> None:
    outcome = leaderboard.each_key_has_one_row(plant(lambda rows: rows.append({**rows[0], "rank": 3})))

    assert not outcome.passed
    assert "on golden-v2.test by answers has 2 rows" in outcome.description


# ranked_rows_are_believable


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "stale"},
        {"coverage": 0.9},
        {"primary_score": None},
        {"ci95_high": 0.9},
        {"ci95_low": 1.0, "primary_score": 0.99},
    ],
)
def test_a_ranked_row_that_cannot_be_believed_is_found(
    plant: Callable[..., Subject], changes: dict[str, Any]
) -> None:
    outcome = leaderboard.ranked_rows_are_believable(plant(change_first(**changes)))

    assert not outcome.passed
    assert outcome.facts == {"num_problems": 1, "num_ranked": 2}


def test_a_row_without_a_rank_need_not_be_believed(plant: Callable[..., Subject]) -> None:
    outcome = leaderboard.ranked_rows_are_believable(plant(change_first(rank=None, status="incomplete")))

    assert outcome.passed


# every_run_is_readable


def test_a_run_that_could_not_be_read_is_warned_of(store: Store, evaluated: Evaluated) -> None:
    slot = evaluated()
    (slot.resolve().path / "eval.json").write_text("{}")
    board = Subject(
        store, "all", store.slot("leaderboard", "all"), publish_leaderboard(store, required_checks=BLOCKING)
    )

    outcome = leaderboard.every_run_is_readable(board)

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert f"{slot.key}/eval/golden-v2.test: " in outcome.description
