from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.evaluation.comparison.numbers import UNKNOWN
from tunix_ml.registry.pages.boards import Board, Results
from tunix_ml.registry.pages.columns import COLUMNS, Cell
from tunix_ml.registry.pages.leaderboard_page import LeaderboardView, leaderboard_view, mark_of, title_of
from tunix_ml.snapshot import Snapshot

Make = Callable[..., Any]


@pytest.fixture
def show(tmp_path: Any, made_from: Any) -> Callable[..., LeaderboardView]:
    """A function that returns the view of some boards."""

    def view(*boards: Board, unreadable: dict[str, str] | None = None) -> LeaderboardView:
        results = Results(Snapshot(tmp_path, made_from), boards, [], unreadable or {})
        return leaderboard_view(results, pages={"golden-v2.test": "datasets/golden-v2.html"})

    return view


def test_a_row_has_its_score_interval_and_rank(make_row: Make, make_board: Make, show: Make) -> None:
    (board,) = show(make_board(make_row())).boards

    (row,) = board.rows
    assert row.score == Cell("75.0", "0.75")
    assert row.interval == "40.9 to 92.9"
    assert (row.rank.rank, row.rank.interval, row.rank.num_tied) == (1, "1 to 2", 1)
    assert row.whisker.low < row.whisker.mean < row.whisker.high
    assert row.whisker.label == "75.0, 95 % interval 40.9 to 92.9"
    assert (board.scale_low, board.scale_high) == ("40", "100")
    assert board.evaluation_set_page == "datasets/golden-v2.html"


def test_a_row_without_a_score_has_no_number(make_row: Make, make_board: Make, show: Make) -> None:
    nothing = dict.fromkeys(("rank", "tie_group", "rank_low", "rank_high", "primary_score"))
    (board,) = show(make_board(make_row(**nothing, status="incomplete", reason="7 of 8"))).boards

    (row,) = board.rows
    assert (row.score, row.interval, row.whisker) == (Cell(UNKNOWN, ""), "", None)
    assert (row.rank.rank, row.rank.interval, row.reason) == (None, "", "7 of 8")
    assert (board.best, board.num_ranked) == ("", 0)


def test_a_score_without_an_interval_is_a_dot(make_row: Make, make_board: Make, show: Make) -> None:
    (board,) = show(make_board(make_row(ci95_low=None, ci95_high=None))).boards

    assert board.rows[0].interval == ""
    assert board.rows[0].whisker.label == "75.0"


def test_the_best_run_is_named_with_those_that_cannot_be_told_from_it(
    make_row: Make, make_board: Make, show: Make
) -> None:
    tied = make_row("near", rank=2, primary_score=0.7)
    far = make_row("far", rank=3, tie_group=2, primary_score=0.1)

    (board,) = show(make_board(make_row("first"), tied, far)).boards

    assert board.best == "Best: first on golden-v2, 75.0 %; 1 more run cannot be told from it."
    assert [row.rank.num_tied for row in board.rows] == [2, 2, 1]


def test_a_metric_that_is_no_share_keeps_its_unit(make_row: Make, make_board: Make, show: Make) -> None:
    row = make_row(primary_metric="gold_nats_per_token", primary_score=1.25, ci95_low=1.0, ci95_high=1.5)

    (board,) = show(make_board(row)).boards

    assert (board.unit, board.rows[0].score.text) == ("nats/token", "1.25")
    assert board.best == "Best: tiny on golden-v2, 1.25 nats/token."


def test_filters_offer_what_rows_have(make_row: Make, make_board: Make, show: Make) -> None:
    board = make_board(make_row("one"), make_row("two", dataset_version=None, status="stale", rank=None))

    options = {option.name: option.values for option in show(board).options}

    assert options["recipe"] == ["one", "two"]
    assert options["dataset"] == ["golden-v2", "made elsewhere"]
    assert options["status"] == ["stale", "valid"]


def test_a_run_is_called_by_recipe_and_dataset_and_told_apart_by_its_mark(make_row: Make) -> None:
    assert title_of(make_row()) == "tiny on golden-v2"
    assert title_of(make_row("other_lab", dataset_version=None)) == "other_lab"
    assert mark_of(make_row()) == "0123456789"


def test_very_many_unreadable_runs_are_cut_and_counted(show: Make) -> None:
    view = show(unreadable={f"run-{n}": "x" * 10_000 for n in range(300)})

    assert (len(view.unreadable), view.num_unreadable_left_out) == (200, 100)
    assert max(len(reason) for _, reason in view.unreadable) == 600


@pytest.fixture
def page_of(rendered: Make) -> Callable[[LeaderboardView], str]:
    """A function that returns the first page."""
    return lambda view: rendered("leaderboard", view, page="index.html", columns=COLUMNS, statuses=())


def test_an_empty_board_says_what_to_do_next(show: Make, page_of: Make) -> None:
    page = page_of(show())

    assert "No run has been evaluated yet." in page
    assert "--select '+key:results_site'" in page


def test_ties_are_drawn_from_their_first_run_to_their_last(
    make_row: Make, make_board: Make, show: Make, page_of: Make
) -> None:
    rows = [make_row("one"), make_row("two", rank=2), make_row("three", rank=3, tie_group=2)]

    page = page_of(show(make_board(*rows)))

    assert 'class=" tied tie-first"' in page
    assert 'class=" tied tie-last"' in page
    assert page.count(" tied") == 2 + page.count("tied with")


@pytest.mark.parametrize(
    "field", ["recipe", "model", "dataset_version", "run_id", "reason", "evaluation_set", "answer_rule"]
)
def test_every_value_is_escaped(make_row: Make, show: Make, page_of: Make, field: str) -> None:
    attack = "</td><script>alert('x')</script>\"&\u202e"
    row = make_row(**{field: attack})
    board = Board(row["evaluation_set"], "e" * 64, "answers", (row,))

    page = page_of(show(board))

    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(" in page
