from collections.abc import Callable
from typing import Any

from tunix_ml.registry.pages.boards import Board
from tunix_ml.registry.pages.pairs import MOST_BEST, champion, chosen_pairs

Make = Callable[..., Any]


def names(board: Board) -> set[tuple[str, str]]:
    return {(pair.a["recipe"], pair.b["recipe"]) for pair in chosen_pairs(board)}


def test_the_best_runs_are_compared_with_each_other(make_row: Make, make_board: Make) -> None:
    board = make_board(*(make_row(f"r{n}", rank=n) for n in range(1, MOST_BEST + 1)))

    assert len(chosen_pairs(board)) == MOST_BEST * (MOST_BEST - 1) // 2
    assert all(pair.a["rank"] < pair.b["rank"] for pair in chosen_pairs(board))


def test_every_other_run_is_compared_with_the_first_and_with_the_best_of_its_dataset(
    make_row: Make, make_board: Make
) -> None:
    best = [make_row(f"r{n}", rank=n, dataset_version="golden-v2") for n in range(1, MOST_BEST + 1)]
    mine = [make_row(f"m{n}", rank=MOST_BEST + n, dataset_version="mine-v1") for n in (1, 2)]
    board = make_board(*best, *mine)

    assert {pair for pair in names(board) if pair[1].startswith("m")} == {
        ("r1", "m1"),
        ("r1", "m2"),
        ("m1", "m2"),
    }
    assert champion(board, "mine-v1") is mine[0]
    assert champion(board, "other-v1") is None


def test_the_number_of_pages_grows_with_the_runs_and_not_with_their_square(
    make_row: Make, make_board: Make
) -> None:
    board = make_board(*(make_row(f"r{n}", rank=n) for n in range(1, 201)))

    assert len(chosen_pairs(board)) == 28 + 192


def test_stale_and_incomplete_runs_are_compared_and_invalid_ones_are_not(
    make_row: Make, make_board: Make
) -> None:
    others = [make_row(status, rank=None, status=status) for status in ("stale", "incomplete", "invalid")]
    board = make_board(make_row("first"), *others)

    assert names(board) == {("first", "stale"), ("first", "incomplete")}


def test_without_a_ranked_run_there_is_nothing_to_compare_with(make_row: Make, make_board: Make) -> None:
    assert chosen_pairs(make_board(make_row("stale", rank=None, status="stale"))) == []
