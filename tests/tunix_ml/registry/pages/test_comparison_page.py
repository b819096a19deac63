from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.registry.pages.boards import Board, read_results
from tunix_ml.registry.pages.comparison_page import ComparisonView, compared, comparison_view
from tunix_ml.registry.pages.evaluations import Evaluation, EvaluationReader
from tunix_ml.registry.pages.run_files import read_run_files
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]


class Compared:
    """Two evaluated runs of a store, and what their comparison shows."""

    def __init__(self, store: Store) -> None:
        (self.board,) = read_results(store.slot("leaderboard", "all").resolve(), home=store.home).boards
        self.reader = EvaluationReader(store)
        self.a, self.b = (self.reader.read(row) for row in self.board.rows)
        self.files = tuple(
            read_run_files(store.run(e.row["run_id"]), home=store.home) for e in (self.a, self.b)
        )

    def view(self) -> ComparisonView:
        comparison = compared(self.board, self.a, self.b)
        assert comparison is not None
        return comparison_view(
            comparison,
            self.a,
            self.b,
            board=self.board,
            files=self.files,  # type: ignore[arg-type]
            questions=self.reader.questions(self.a),
            set_page="datasets/golden-v2.html",
        )


@pytest.fixture
def two(store: Store, evaluated: Evaluated) -> Compared:
    """The best run and a poor one on eight items: 8 and 2 right."""
    evaluated(recipe="best", share_right=1.0)
    evaluated(recipe="poor", share_right=0.25)
    publish_leaderboard(store, required_checks=())
    return Compared(store)


def test_the_verdict_comes_first_and_is_that_of_the_leaderboard(two: Compared) -> None:
    view = two.view()

    assert view.verdict.startswith("A is better by 75.0 points; 95 % interval")
    assert view.verdict.endswith("exact McNemar p = 0.031.")
    assert [side.title for side in view.sides] == ["best on golden-v2", "poor on golden-v2"]
    assert [side.score for side in view.sides] == ["100.0 %", "25.0 %"]
    assert (view.wins_a, view.wins_b, view.ties, view.n, view.num_left_out) == (6, 0, 2, 8, 0)


def test_settings_curves_and_items_stand_behind_it(two: Compared) -> None:
    view = two.view()

    assert [(one.name, one.a, one.b) for one in view.settings] == [("train.recipe", "best", "poor")]
    assert view.num_same_settings > 30
    assert [chart.title for chart in view.charts] == ["Training loss", "Validation loss"]
    assert (len(view.won_by_a), len(view.won_by_b)) == (6, 0)
    pair = view.won_by_a[0]
    assert (pair.a.verdict, pair.b.verdict) == ("right", "wrong")
    assert pair.a.item_id == pair.b.item_id
    assert pair.a.question is not None
    assert pair.b.extracted == "-987654"


def test_parts_are_compared_each(two: Compared) -> None:
    view = two.view()

    assert sum(part.n for part in view.parts) == 8
    assert all(part.difference.sort for part in view.parts)
    assert view.num_parts_left_out == 0


def test_its_page_says_how_many_items_are_not_shown(two: Compared, rendered: Callable[..., str]) -> None:
    page = rendered("comparison", two.view(), page="compare/x.html")

    assert "A is better on 6 items" in page
    assert "B is better on 0 items" in page
    assert 'href="../runs/golden-v2.best.' in page


def test_runs_that_answer_alike_have_no_item_to_show(
    store: Store, evaluated: Evaluated, rendered: Callable[..., str]
) -> None:
    for recipe in ("one", "two"):
        evaluated(recipe=recipe, share_right=0.5)
    publish_leaderboard(store, required_checks=())

    view = Compared(store).view()

    assert view.verdict.startswith("A and B score the same")
    assert "The two score the same on every item." in rendered("comparison", view, page="compare/x.html")


def test_what_cannot_be_read_is_not_compared(two: Compared) -> None:
    nothing = Evaluation(row=two.b.row, problems=("gone",))

    assert compared(two.board, two.a, nothing) is None
    assert compared(two.board, nothing, two.a) is None


def test_runs_that_share_no_scored_item_are_not_compared(two: Compared, make_score: Any) -> None:
    import dataclasses

    other = dataclasses.replace(two.b, scores=(make_score("another item"),))

    assert compared(two.board, two.a, other) is None


def test_a_pair_that_was_not_tested_on_its_board_is_tested_here(two: Compared) -> None:
    untested = Board(two.board.evaluation_set, two.board.evaluation_set_digest, "answers", two.board.rows)

    comparison, known = compared(untested, two.a, two.b), compared(two.board, two.a, two.b)

    assert comparison == known
    assert known is not None
