import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.registry.pages.boards import Results, read_results
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]


@pytest.fixture
def results(store: Store, evaluated: Evaluated) -> Results:
    """A leaderboard of three runs, read back."""
    for recipe, share in {"best": 1.0, "good": 0.75, "poor": 0.0}.items():
        evaluated(recipe=recipe, share_right=share)
    return read_results(publish_leaderboard(store, required_checks=()), home=store.home)


def test_a_board_has_the_rows_of_one_set_best_first(results: Results) -> None:
    (board,) = results.boards

    assert (board.evaluation_set, board.scorer, board.metric) == (
        "golden-v2.test",
        "answers",
        "answer_correctness",
    )
    assert [row["recipe"] for row in board.ranked] == ["best", "good", "poor"]
    assert results.rows == list(board.rows)


def test_a_pair_can_be_looked_up_from_either_side(results: Results) -> None:
    (board,) = results.boards
    best, _, poor = (row["run_id"] for row in board.rows)

    found, mirrored = board.tested(best, poor), board.tested(poor, best)

    assert found is not None
    assert mirrored is not None
    assert found.result.difference == 1.0
    assert mirrored.result.difference == -1.0
    assert (mirrored.result.ci95_low, mirrored.result.ci95_high) == (
        -(found.result.ci95_high or 0),
        -(found.result.ci95_low or 0),
    )
    assert found.p_holm == mirrored.p_holm
    assert (board.num_pairs, len(results.pairs)) == (3, 3)
    assert board.tested(best, best) is None


def test_a_run_knows_its_boards(results: Results) -> None:
    ((board, row),) = results.boards_of(results.run_ids[0])

    assert board is results.boards[0]
    assert row["run_id"] == results.run_ids[0]


def test_what_could_not_be_read_does_not_name_this_machine(store: Store, evaluated: Evaluated) -> None:
    (evaluated().resolve().path / "eval.json").write_text("{}")

    results = read_results(publish_leaderboard(store, required_checks=()), home=store.home)

    (sentence,) = results.unreadable.values()
    assert str(store.home) not in sentence
    assert "$TUNIX_HOME/runs/" in sentence


def test_an_empty_leaderboard_has_no_boards(store: Store) -> None:
    results = read_results(publish_leaderboard(store, required_checks=()), home=store.home)

    assert (results.boards, results.rows, results.run_ids) == ((), [], [])


def test_a_pair_of_another_board_is_not_found(
    store: Store, evaluated: Evaluated, tampered: Callable[..., Any]
) -> None:
    evaluated(recipe="one", share_right=1.0)
    other = evaluated(recipe="two", share_right=0.5)

    def ask_something_else(folder: Path) -> None:
        report = json.loads((folder / "eval.json").read_bytes())
        (folder / "eval.json").write_text(json.dumps({**report, "evaluation_set_digest": "0" * 64}))

    tampered(other, ask_something_else)
    results = read_results(publish_leaderboard(store, required_checks=()), home=store.home)

    assert [board.num_pairs for board in results.boards] == [0, 0]
