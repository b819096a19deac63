"""The first page: every board as a table, with what cannot be ranked below what can."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.boards import Board, Results
from tunix_ml.registry.pages.columns import COLUMNS, Cell, cell
from tunix_ml.registry.pages.text import cut
from tunix_ml.registry.pages.whisker import Scale, Whisker, scale_of

_MAX_REASON_CHARS = 110
_MAX_OPTION_CHARS = 60
_MAX_UNREADABLE = 200


class RankCell(NamedTuple):
    """A place on the board, and the ties around it."""

    rank: int | None
    interval: str
    tie_group: int | None
    num_tied: int


@dataclass(frozen=True, kw_only=True)
class RowView:
    """One run on one board."""

    run_id: str
    eval_digest: str
    page: str
    recipe: str
    rank: RankCell
    score: Cell
    interval: str
    whisker: Whisker | None
    status: str
    reason: str
    cells: tuple[Cell, ...]
    filters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """One board."""

    anchor: str
    evaluation_set: str
    evaluation_set_page: str | None
    scorer: str
    metric: str
    metric_description: str
    unit: str
    digest: str
    n_items: int
    num_ranked: int
    num_pairs: int
    best: str
    scale_low: str
    scale_high: str
    rows: tuple[RowView, ...]


class Option(NamedTuple):
    """A filter: its name in the address, its label, and the values that rows have."""

    name: str
    label: str
    values: list[str]


@dataclass(frozen=True, kw_only=True)
class LeaderboardView:
    """All that the first page shows."""

    boards: tuple[BoardView, ...]
    num_runs: int
    num_ranked: int
    options: tuple[Option, ...]
    unreadable: tuple[tuple[str, str], ...]
    num_unreadable_left_out: int


_FILTERS = (
    ("set", "Evaluation set", "evaluation_set"),
    ("dataset", "Dataset", "dataset_version"),
    ("model", "Model", "model"),
    ("recipe", "Recipe", "recipe"),
    ("status", "Status", "status"),
)
_NOT_TRAINED = "made elsewhere"
STATUSES = (
    ("valid", "complete, checked, and made from what is current: ranked"),
    ("stale", "something it rests on has changed since: not ranked until it is evaluated again"),
    ("incomplete", "not every question has a score: not ranked"),
    ("invalid", "a check failed or a file is damaged: not to be believed"),
)


def leaderboard_view(results: Results, *, pages: Mapping[str, str]) -> LeaderboardView:
    """Return what the first page shows.

    Args:
        results: the leaderboard.
        pages: page of each evaluation set that has one.
    """
    rows = results.rows
    unreadable = tuple((cut(name, most=140), cut(why, most=600)) for name, why in results.unreadable.items())
    return LeaderboardView(
        boards=tuple(_board(board, number, pages) for number, board in enumerate(results.boards, start=1)),
        num_runs=len(results.run_ids),
        num_ranked=len({row["run_id"] for row in rows if row["rank"] is not None}),
        options=tuple(
            Option(name, label, sorted({_filter_value(row, key) for row in rows}))
            for name, label, key in _FILTERS
        ),
        unreadable=unreadable[:_MAX_UNREADABLE],
        num_unreadable_left_out=max(0, len(unreadable) - _MAX_UNREADABLE),
    )


def mark_of(row: Row) -> str:
    """Return the end of a run's id, by which runs of one title are told apart."""
    return str(row["run_id"]).rpartition(".")[2]


def title_of(row: Row) -> str:
    """Return what a run is called in a line of text."""
    dataset = row["dataset_version"]
    return f"{row['recipe']} on {dataset}" if dataset else str(row["recipe"])


def _board(board: Board, number: int, pages: Mapping[str, str]) -> BoardView:
    metric = METRICS.get(board.metric)
    is_share = metric is None or metric.is_share
    scale = _scale(board, is_share=is_share)
    return BoardView(
        anchor=f"board-{number}",
        evaluation_set=board.evaluation_set,
        evaluation_set_page=pages.get(board.evaluation_set),
        scorer=cut(board.scorer, most=100),
        metric=board.metric,
        metric_description=metric.description if metric else "",
        unit="%" if is_share else metric.unit if metric else "",
        digest=board.evaluation_set_digest,
        n_items=max(row["n_items"] for row in board.rows),
        num_ranked=len(board.ranked),
        num_pairs=board.num_pairs,
        best=_best(board),
        scale_low=_end(scale.low, is_share=is_share),
        scale_high=_end(scale.high, is_share=is_share),
        rows=tuple(_row(row, board, scale, is_share=is_share) for row in board.rows),
    )


def _best(board: Board) -> str:
    """Return in a sentence which run leads, and how many cannot be told from it."""
    if not board.ranked:
        return ""
    first = board.ranked[0]
    tied = [row for row in board.ranked[1:] if row["tie_group"] == first["tie_group"]]
    score = numbers.in_unit(board.metric, first["primary_score"])
    runs = "run" if len(tied) == 1 else "runs"
    others = f"; {len(tied)} more {runs} cannot be told from it" if tied else ""
    return f"Best: {title_of(first)}, {score}{others}."


def _scale(board: Board, *, is_share: bool) -> Scale:
    names = ("primary_score", "ci95_low", "ci95_high")
    found = [row[name] for row in board.rows for name in names if row[name] is not None]
    return scale_of(found, is_share=is_share)


def _end(value: float, *, is_share: bool) -> str:
    return f"{100 * value:g}" if is_share else numbers.short(value)


def _row(row: Row, board: Board, scale: Scale, *, is_share: bool) -> RowView:
    score, low, high = row["primary_score"], row["ci95_low"], row["ci95_high"]
    spelled = numbers.percent if is_share else numbers.short
    interval = f"{spelled(low)} to {spelled(high)}" if None not in (low, high) else ""
    label = f"{spelled(score)}, 95 % interval {interval}" if interval else spelled(score)
    return RowView(
        run_id=row["run_id"],
        eval_digest=row["eval_digest"],
        page=links.run_page(row["run_id"]),
        recipe=row["recipe"],
        rank=_rank(row, board),
        score=Cell(spelled(score), "" if score is None else repr(score)),
        interval=interval if score is not None else "",
        whisker=None if score is None else scale.whisker(score, low, high, label=label),
        status=row["status"],
        reason=cut(row["reason"], most=_MAX_REASON_CHARS),
        cells=tuple(cell(column, row) for column in COLUMNS),
        filters={name: _filter_value(row, key) for name, _, key in _FILTERS}
        | {"date": str(row["evaluated_at"])[:10]},
    )


def _rank(row: Row, board: Board) -> RankCell:
    low, high = row["rank_low"], row["rank_high"]
    interval = "" if low is None else f"{low} to {high}" if low != high else str(low)
    group = row["tie_group"]
    num_tied = sum(other["tie_group"] == group for other in board.ranked) if group is not None else 1
    return RankCell(row["rank"], interval, group, num_tied)


def _filter_value(row: Row, key: str) -> str:
    value = row[key]
    return _NOT_TRAINED if value is None else cut(str(value), most=_MAX_OPTION_CHARS)
