"""Which pairs of runs get a page: not all of them, since their number grows with the square of the runs."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages.boards import Board

MOST_BEST = 8
NOT_COMPARED = "invalid"
RULE = (
    f"all pairs of the best {MOST_BEST} runs of a board; and every other run that is not invalid with the"
    " board's first, and with the best run trained on the same dataset version"
)


class Pair(NamedTuple):
    """Two rows of one board, the better one first where both are ranked."""

    a: Row
    b: Row


def chosen_pairs(board: Board) -> list[Pair]:
    """Return the pairs of a board that have a page, each once.

    Those of one run stand together, so that what was read of it is used while it is at hand.
    """
    ranked = board.ranked
    place = {row["run_id"]: number for number, row in enumerate(board.rows)}
    found: dict[tuple[str, str], Pair] = {}
    for pair in [*itertools.combinations(ranked[:MOST_BEST], 2), *_against_champions(board)]:
        first, second = sorted(pair, key=lambda row: place[row["run_id"]])
        found.setdefault((second["run_id"], first["run_id"]), Pair(first, second))
    return sorted(found.values(), key=lambda pair: (place[pair.b["run_id"]], place[pair.a["run_id"]]))


def champion(board: Board, dataset_version: str | None) -> Row | None:
    """Return the best ranked run of a board that was trained on a dataset version."""
    return next((row for row in board.ranked if row["dataset_version"] == dataset_version), None)


def _against_champions(board: Board) -> Iterator[tuple[Row, Row]]:
    for row in board.rows:
        if row["status"] != NOT_COMPARED:
            for best in (next(iter(board.ranked), None), champion(board, row["dataset_version"])):
                if best is not None and best is not row:
                    yield best, row
