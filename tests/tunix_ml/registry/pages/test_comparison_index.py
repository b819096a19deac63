from collections.abc import Callable
from typing import Any

from tunix_ml.registry.pages.boards import Results
from tunix_ml.registry.pages.comparison_index import ComparisonEntry, comparison_index
from tunix_ml.registry.pages.pairs import Pair
from tunix_ml.snapshot import Snapshot

Make = Callable[..., Any]


def test_comparisons_stand_under_their_board_with_the_runs_to_choose_from(
    make_row: Make, make_board: Make, made_from: Any, tmp_path: Any
) -> None:
    rows = [make_row("one"), make_row("two", rank=2), make_row("three", rank=3)]
    board, other = make_board(*rows), make_board(make_row("alone"))
    results = Results(Snapshot(tmp_path, made_from), (board, other), [], {})
    entries = [
        ComparisonEntry("compare/1.html", board, Pair(rows[0], rows[1]), "A is better."),
        ComparisonEntry("compare/2.html", board, Pair(rows[0], rows[2]), "A is far better."),
    ]

    index = comparison_index(results, entries)

    (shown,) = index.boards
    assert [(pair.page, pair.a.title, pair.b.title) for pair in shown.pairs] == [
        ("compare/1.html", "one on golden-v2", "two on golden-v2"),
        ("compare/2.html", "one on golden-v2", "three on golden-v2"),
    ]
    assert [run.run_id for run in shown.runs] == [row["run_id"] for row in rows]
    assert {run.mark for run in shown.runs} == {"0123456789"}


def test_without_comparisons_the_page_says_what_is_needed(
    made_from: Any, rendered: Callable[..., str], tmp_path: Any
) -> None:
    index = comparison_index(Results(Snapshot(tmp_path, made_from), (), [], {}), [])

    page = rendered("comparisons", index)

    assert "There are no two runs to compare yet." in page
    assert "All pairs of the best 8 runs of a board" in page
