"""The page from which two runs are chosen to be compared, and the rule by which pairs have a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages.boards import Board, Results
from tunix_ml.registry.pages.leaderboard_page import mark_of, title_of
from tunix_ml.registry.pages.pairs import RULE, Pair
from tunix_ml.registry.pages.text import cut


class ComparisonEntry(NamedTuple):
    """A comparison that has a page."""

    page: str
    board: Board
    pair: Pair
    verdict: str


class Named(NamedTuple):
    """A run as it is called in a list: `mark` tells runs of one title apart."""

    run_id: str
    title: str
    mark: str


class PairLine(NamedTuple):
    """A comparison as the page lists it."""

    page: str
    a: Named
    b: Named
    verdict: str


class BoardPairs(NamedTuple):
    """The comparisons of one board, and the runs that stand in them."""

    evaluation_set: str
    scorer: str
    pairs: tuple[PairLine, ...]
    runs: tuple[Named, ...]


@dataclass(frozen=True, kw_only=True)
class ComparisonIndex:
    """All that the page shows."""

    rule: str
    boards: tuple[BoardPairs, ...]


def comparison_index(results: Results, entries: Sequence[ComparisonEntry]) -> ComparisonIndex:
    """Return what the page shows, board after board."""
    found = (_board(board, [entry for entry in entries if entry.board is board]) for board in results.boards)
    return ComparisonIndex(rule=RULE, boards=tuple(board for board in found if board.pairs))


def _board(board: Board, entries: Sequence[ComparisonEntry]) -> BoardPairs:
    pairs = tuple(
        PairLine(entry.page, _named(entry.pair.a), _named(entry.pair.b), entry.verdict) for entry in entries
    )
    runs = dict.fromkeys(run for pair in pairs for run in (pair.a, pair.b))
    return BoardPairs(board.evaluation_set, cut(board.scorer, most=100), pairs, tuple(runs))


def _named(row: Row) -> Named:
    return Named(row["run_id"], title_of(row), mark_of(row))
