"""The page of two runs: the verdict in words, and the settings, parts and items behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.comparison import ItemComparison, RunComparison, SettingDifference
from tunix_ml.contracts.evaluation import ItemScore
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.evaluation.comparison.compare import Side, compare_runs
from tunix_ml.evaluation.comparison.summary import detectable, is_better, verdict
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.boards import Board
from tunix_ml.registry.pages.chart import Chart
from tunix_ml.registry.pages.columns import Cell
from tunix_ml.registry.pages.curves import overlaid_charts
from tunix_ml.registry.pages.evaluations import Evaluation
from tunix_ml.registry.pages.leaderboard_page import title_of
from tunix_ml.registry.pages.run_files import RunFiles
from tunix_ml.registry.pages.samples import Sample, sample_of
from tunix_ml.registry.pages.text import cut
from tunix_ml.registry.pages.whisker import Scale, Whisker, scale_of

MOST_ITEMS = 8
_MAX_TEXT_CHARS = 700
_MAX_PARTS = 40
_MAX_SETTINGS = 60
_MAX_VALUE_CHARS = 200


class SideView(NamedTuple):
    """One of the two runs."""

    letter: str
    run_id: str
    page: str
    title: str
    status: str
    score: str
    whisker: Whisker | None


class PartLine(NamedTuple):
    """A part of the evaluation set."""

    name: str
    n: int
    a: Cell
    b: Cell
    difference: Cell
    interval: str
    whisker: Whisker


class ItemPair(NamedTuple):
    """What both runs wrote for one item."""

    a: Sample
    b: Sample


@dataclass(frozen=True, kw_only=True)
class ComparisonView:
    """All that a comparison shows."""

    sides: tuple[SideView, SideView]
    evaluation_set: str
    evaluation_set_page: str | None
    scorer: str
    metric: str
    verdict: str
    detectable: str | None
    difference: str
    difference_whisker: Whisker
    n: int
    num_left_out: int
    wins_a: int
    wins_b: int
    ties: int
    settings: tuple[SettingDifference, ...]
    num_settings_left_out: int
    num_same_settings: int
    parts: tuple[PartLine, ...]
    num_parts_left_out: int
    charts: tuple[Chart, ...]
    won_by_a: tuple[ItemPair, ...]
    won_by_b: tuple[ItemPair, ...]


def compared(board: Board, a: Evaluation, b: Evaluation) -> RunComparison | None:
    """Return the comparison of two rows of a board, None where what is behind one cannot be compared."""
    if a.report is None or b.report is None or a.problems or b.problems:
        return None
    tested = board.tested(a.row["run_id"], b.row["run_id"])
    sides = (
        Side(report=one.report, eval_digest=one.row["eval_digest"], scores=one.scores, settings=one.settings)
        for one in (a, b)
        if one.report
    )
    try:
        return compare_runs(*sides, known=tested.result if tested else None)
    except TunixError:
        return None


def comparison_view(
    comparison: RunComparison,
    a: Evaluation,
    b: Evaluation,
    *,
    board: Board,
    files: tuple[RunFiles, RunFiles],
    questions: Mapping[str, EvaluationItem],
    set_page: str | None,
) -> ComparisonView:
    """Return what the page of two runs shows."""
    result, metric = comparison.result, comparison.metric
    scale = _difference_scale(comparison)
    pairs = _ItemPairs(_first_texts(a), _first_texts(b), questions, metric)
    return ComparisonView(
        sides=(_side("A", a.row, comparison), _side("B", b.row, comparison)),
        evaluation_set=comparison.evaluation_set,
        evaluation_set_page=set_page,
        scorer=cut(comparison.scorer, most=_MAX_VALUE_CHARS),
        metric=metric,
        verdict=_verdict(comparison, board),
        detectable=detectable(comparison),
        difference=numbers.in_unit(metric, result.difference, is_signed=True),
        difference_whisker=scale.whisker(
            result.difference, result.ci95_low, result.ci95_high, label="difference, A minus B"
        ),
        n=result.n,
        num_left_out=comparison.n_items - result.n,
        wins_a=comparison.wins_a,
        wins_b=comparison.wins_b,
        ties=comparison.ties,
        settings=tuple(_cut_setting(setting) for setting in comparison.settings[:_MAX_SETTINGS]),
        num_settings_left_out=max(0, len(comparison.settings) - _MAX_SETTINGS),
        num_same_settings=comparison.num_same_settings,
        parts=_parts(comparison),
        num_parts_left_out=max(0, len(comparison.parts) - _MAX_PARTS),
        charts=overlaid_charts(files[0].metrics, files[1].metrics),
        won_by_a=pairs.of(_won(comparison, is_won_by_a=True)),
        won_by_b=pairs.of(_won(comparison, is_won_by_a=False)),
    )


class _ItemPairs(NamedTuple):
    """What is needed to show an item with both texts."""

    a: Mapping[str, ItemScore]
    b: Mapping[str, ItemScore]
    questions: Mapping[str, EvaluationItem]
    metric: str

    def of(self, items: Sequence[ItemComparison]) -> tuple[ItemPair, ...]:
        """Return the first of some items."""
        shown = items[:MOST_ITEMS]
        return tuple(ItemPair(self._sample(self.a, item), self._sample(self.b, item)) for item in shown)

    def _sample(self, texts: Mapping[str, ItemScore], item: ItemComparison) -> Sample:
        score = texts[item.item_id]
        return sample_of(score, self.questions, metric=self.metric, most_chars=_MAX_TEXT_CHARS)


def _verdict(comparison: RunComparison, board: Board) -> str:
    tested = board.tested(comparison.run_a.run_id, comparison.run_b.run_id)
    if tested is None:
        return verdict(comparison)
    return verdict(comparison, p_holm=tested.p_holm, num_pairs=board.num_pairs)


def _difference_scale(comparison: RunComparison) -> Scale:
    result = comparison.result
    ends = [end for end in (result.ci95_low, result.ci95_high) if end is not None]
    return scale_of([result.difference, *ends], is_share=_is_share(comparison.metric), is_signed=True)


def _side(letter: str, row: Row, comparison: RunComparison) -> SideView:
    run = comparison.run_a if letter == "A" else comparison.run_b
    score, low, high = row["primary_score"], row["ci95_low"], row["ci95_high"]
    label = f"{letter}: {numbers.in_unit(comparison.metric, run.mean)}"
    is_drawn = _is_share(comparison.metric) and score is not None
    scale = scale_of([0.0, 1.0])
    return SideView(
        letter=letter,
        run_id=row["run_id"],
        page=links.run_page(row["run_id"]),
        title=title_of(row),
        status=row["status"],
        score=numbers.in_unit(comparison.metric, run.mean),
        whisker=scale.whisker(score, low, high, label=label) if is_drawn else None,
    )


def _won(comparison: RunComparison, *, is_won_by_a: bool) -> list[ItemComparison]:
    return [
        item
        for item in comparison.items
        if is_better(comparison.metric, item.score_a - item.score_b) == is_won_by_a
    ]


def _first_texts(evaluation: Evaluation) -> dict[str, ItemScore]:
    return {score.item_id: score for score in evaluation.scores if score.sample_index == 0}


def _cut_setting(setting: SettingDifference) -> SettingDifference:
    values = (setting.a, setting.b)
    a, b = (None if value is None else cut(value, most=_MAX_VALUE_CHARS) for value in values)
    return SettingDifference(name=cut(setting.name, most=_MAX_VALUE_CHARS), a=a, b=b)


def _parts(comparison: RunComparison) -> tuple[PartLine, ...]:
    metric, shown = comparison.metric, comparison.parts[:_MAX_PARTS]
    ends = [
        end for part in shown for end in (part.difference, part.ci95_low, part.ci95_high) if end is not None
    ]
    scale = scale_of(ends, is_share=_is_share(metric), is_signed=True)
    lines = []
    for part in shown:
        low, high = part.ci95_low, part.ci95_high
        difference = numbers.in_unit(metric, part.difference, is_signed=True)
        interval = "" if low is None else f"{_signed(metric, low)} to {_signed(metric, high)}"
        lines.append(
            PartLine(
                name=cut(part.name, most=_MAX_VALUE_CHARS),
                n=part.n,
                a=Cell(numbers.in_unit(metric, part.mean_a), repr(part.mean_a)),
                b=Cell(numbers.in_unit(metric, part.mean_b), repr(part.mean_b)),
                difference=Cell(difference, repr(part.difference)),
                interval=interval,
                whisker=scale.whisker(part.difference, low, high, label=f"{difference} {interval}"),
            )
        )
    return tuple(lines)


def _signed(metric: str, value: float | None) -> str:
    return numbers.points(value) if _is_share(metric) else numbers.short(value)


def _is_share(metric: str) -> bool:
    return METRICS[metric].is_share
