import json
from typing import Any

import pytest

from tunix_ml.registry.policy import (
    Scope,
    choose_best,
    eligible_rows,
    inputs_of,
    is_sound,
    row_of,
    row_of_version,
    version_of,
)

SCOPE = Scope("golden-v2.test", "answers")


def row(letter: str, **changes: Any) -> dict[str, Any]:
    """A valid row of the run and the model of a letter."""
    return {
        "run_id": f"run-{letter}",
        "inputs": json.dumps({"model": letter * 64, "predictions": "9" * 64}),
        "rank": 1,
        "tie_group": 1,
        "status": "valid",
        "coverage": 1.0,
        "primary_score": 0.5,
        "n_items": 100,
        "dataset_version": "golden-v2",
        "evaluation_set": "golden-v2.test",
        "scorer": "answers",
        "device_seconds": 10.0,
        "num_params": 1_000,
        "evaluated_at": "2026-01-01T00:00:00+00:00",
    } | changes


def best(*rows: dict[str, Any], incumbent: str | None = None, passed_over: str = "") -> str | None:
    found = choose_best(
        rows,
        scope=SCOPE,
        incumbent=incumbent * 64 if incumbent else None,
        passed_over={letter * 64 for letter in passed_over},
    )
    return found["run_id"][-1] if found else None


def test_who_stands_in_the_best_group_of_ties_is_best() -> None:
    assert best(row("a", tie_group=2, rank=3), row("b", tie_group=1, rank=1), incumbent="a") == "b"


def test_within_a_group_of_ties_the_incumbent_stays() -> None:
    assert best(row("a", rank=1), row("b", rank=2, device_seconds=99.0), incumbent="b") == "b"


@pytest.mark.parametrize(
    "worse",
    [
        {"device_seconds": 10.5, "num_params": 1},
        {"device_seconds": None},
        {"num_params": 1_001},
        {"num_params": None},
        {"evaluated_at": "2026-01-01T00:00:01+00:00"},
    ],
)
def test_within_a_group_the_cheaper_then_the_smaller_then_the_earlier_wins(worse: dict[str, Any]) -> None:
    assert best(row("a", **worse), row("b", rank=2)) == "b"


def test_of_equals_the_first_by_name_is_chosen_whatever_the_order() -> None:
    assert best(row("a"), row("b")) == best(row("b"), row("a")) == "a"


def test_beyond_the_runs_that_are_compared_the_rank_decides() -> None:
    beyond = [row("a", tie_group=None, rank=32, device_seconds=1.0), row("b", tie_group=None, rank=31)]

    assert best(*beyond) == "b"
    assert best(*beyond, row("c", tie_group=9, rank=30)) == "c"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "stale"},
        {"status": "incomplete", "coverage": 0.9},
        {"coverage": 0.99},
        {"primary_score": None},
        {"evaluation_set": "golden-v3.test"},
        {"scorer": "judge:strict"},
        {"dataset_version": None},
    ],
)
def test_a_row_that_cannot_be_believed_or_is_of_another_board_is_not_eligible(
    changes: dict[str, Any],
) -> None:
    assert best(row("a", **changes)) is None
    assert eligible_rows([row("a", **changes), row("b")], scope=SCOPE) == [row("b")]


def test_who_was_asked_a_part_of_the_questions_does_not_compete() -> None:
    assert best(row("a", n_items=20, device_seconds=1.0), row("b", tie_group=2)) == "b"


def test_versions_that_were_rejected_are_passed_over() -> None:
    assert best(row("a"), row("b", tie_group=2), passed_over="a") == "b"
    assert best(row("a"), passed_over="a") is None


def test_no_rows_have_no_best() -> None:
    assert best() is None


def test_a_row_is_found_by_its_run_and_scope() -> None:
    rows = [row("a", scorer="judge:strict"), row("a")]

    assert row_of(rows, "run-a", scope=SCOPE) == rows[1]
    assert row_of(rows, "run-b", scope=SCOPE) is None


def test_a_version_of_several_runs_is_stood_for_by_one_with_a_sound_row() -> None:
    stale, valid = row("a", status="stale"), row("a", run_id="run-z")

    assert row_of_version([stale, valid], "a" * 64, scope=SCOPE) == valid
    assert row_of_version([stale], "a" * 64, scope=SCOPE) == stale
    assert row_of_version([stale], "b" * 64, scope=SCOPE) is None


def test_a_row_says_what_it_rests_on() -> None:
    assert inputs_of(row("a")) == {"model": "a" * 64, "predictions": "9" * 64}
    assert version_of(row("a")) == "a" * 64
    assert version_of(row("a", inputs="{}")) is None
    assert is_sound(row("a"))
