"""One evaluation of a run as its page shows it: score, metrics, parts, texts, and what all that rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from tunix_ml.contracts.evaluation import EvalReport, Group, MetricEstimate
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.datasets.tally import Place
from tunix_ml.evaluation.aggregate import by_item
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.boards import Board
from tunix_ml.registry.pages.evaluations import Evaluation
from tunix_ml.registry.pages.lineage import Link
from tunix_ml.registry.pages.samples import Sample, chosen_samples
from tunix_ml.registry.pages.sentences import score_sentence
from tunix_ml.registry.pages.text import cut
from tunix_ml.registry.pages.whisker import Scale, Whisker, scale_of

_MAX_PARTS = 60
_MAX_NAME_CHARS = 100
_MAX_REASON_CHARS = 1_000
_ARROWS = {"higher": "more is better", "lower": "less is better", "neither": ""}


class MetricLine(NamedTuple):
    """A metric's mean with its meaning."""

    name: str
    description: str
    direction: str
    value: str
    interval: str
    n: int
    how: str


class Part(NamedTuple):
    """The primary metric of a part of the evaluation set."""

    name: str
    n: int
    value: str
    interval: str
    whisker: Whisker


class PartTable(NamedTuple):
    """The parts of one grouping."""

    group: Group
    parts: tuple[Part, ...]
    num_left_out: int
    scale_low: str
    scale_high: str


@dataclass(frozen=True, kw_only=True)
class EvaluationView:
    """What the page of a run shows of one row."""

    anchor: str
    evaluation_set: str
    evaluation_set_page: str | None
    scorer: str
    status: str
    reason: str
    rank: int | None
    num_ranked: int
    sentence: str
    score: str
    whisker: Whisker | None
    metrics: tuple[MetricLine, ...] = ()
    statuses: tuple[tuple[str, int], ...] = ()
    tables: tuple[PartTable, ...] = ()
    rows_page: str | None = None
    samples: tuple[Sample, ...] = ()
    num_texts: int = 0
    self_test: str = ""
    answer_rule: str = ""
    lineage: tuple[Link, ...] = ()
    problems: tuple[str, ...] = ()


def evaluation_view(
    evaluation: Evaluation,
    board: Board,
    *,
    number: int,
    questions: Mapping[str, EvaluationItem],
    chain: tuple[Link, ...],
    set_page: str | None,
    places: Mapping[str, Place] | None = None,
) -> EvaluationView:
    """Return the view of one row of a run, of which there may be several: `number` tells them apart."""
    report, base = evaluation.report, _base(evaluation, board, number, set_page)
    if report is None:
        return base
    estimate = report.metrics.get(report.primary_metric) if report.primary_score is not None else None
    return replace(
        base,
        sentence=_sentence(evaluation, report),
        score=numbers.in_unit(report.primary_metric, report.primary_score),
        whisker=_whisker(report, estimate),
        metrics=tuple(_metric_lines(report)),
        statuses=tuple(report.status_counts.items()),
        tables=tuple(_part_table(report, group) for group in report.groups),
        rows_page=_rows_page(report.evaluation_set) if places else None,
        samples=tuple(
            chosen_samples(evaluation.scores, questions, metric=report.primary_metric, places=places)
        ),
        num_texts=len(evaluation.scores),
        self_test=_self_test(report),
        answer_rule=cut(report.answer_rule, most=_MAX_NAME_CHARS),
        lineage=chain,
    )


def _rows_page(evaluation_set: str) -> str:
    return links.rows_page(evaluation_set.rpartition(".")[0])


def _base(evaluation: Evaluation, board: Board, number: int, set_page: str | None) -> EvaluationView:
    """Return what the row alone says."""
    row = evaluation.row
    return EvaluationView(
        anchor=f"evaluation-{number}",
        evaluation_set=row["evaluation_set"],
        evaluation_set_page=set_page,
        scorer=cut(row["scorer"], most=_MAX_NAME_CHARS),
        status=row["status"],
        reason=cut(row["reason"], most=_MAX_REASON_CHARS),
        rank=row["rank"],
        num_ranked=len(board.ranked),
        sentence="The report cannot be read, so that nothing is said about the score.",
        score=numbers.UNKNOWN,
        whisker=None,
        problems=evaluation.problems,
    )


def _sentence(evaluation: Evaluation, report: EvalReport) -> str:
    if evaluation.row["status"] == "invalid":
        reason = cut(evaluation.row["reason"], most=_MAX_REASON_CHARS)
        return f"Its score on {report.evaluation_set} is not to be believed: {reason}."
    return score_sentence(report, num_right=_num_right(evaluation, report))


def _num_right(evaluation: Evaluation, report: EvalReport) -> int | None:
    """Return how many items are right, None where an item can be in between."""
    values = [item.value(report.primary_metric) for item in by_item(evaluation.scores)]
    return sum(value == 1 for value in values) if values and set(values) <= {0.0, 1.0} else None


def _whisker(report: EvalReport, estimate: MetricEstimate | None) -> Whisker | None:
    if estimate is None or not _is_share(report.primary_metric):
        return None
    label = f"{numbers.percent(estimate.mean)} %, 95 % interval {_interval(report.primary_metric, estimate)}"
    return Scale(0.0, 1.0).whisker(estimate.mean, estimate.ci95_low, estimate.ci95_high, label=label)


def _metric_lines(report: EvalReport) -> list[MetricLine]:
    found = {name: (name, estimate) for name, estimate in report.metrics.items()}
    found |= {f"pass@{k}": ("pass_at_k", estimate) for k, estimate in report.pass_at_k.items()}
    return [_metric_line(shown, name, estimate) for shown, (name, estimate) in found.items()]


def _metric_line(shown: str, name: str, estimate: MetricEstimate) -> MetricLine:
    metric = METRICS.get(name)
    return MetricLine(
        name=shown,
        description=metric.description if metric else "not declared",
        direction=_ARROWS[metric.direction] if metric else "",
        value=numbers.in_unit(name, estimate.mean),
        interval=_interval(name, estimate),
        n=estimate.n,
        how=estimate.interval,
    )


def _interval(name: str, estimate: MetricEstimate) -> str:
    if estimate.ci95_low is None:
        return numbers.UNKNOWN
    spelled = numbers.percent if _is_share(name) else numbers.short
    return f"{spelled(estimate.ci95_low)} to {spelled(estimate.ci95_high)}"


def _is_share(name: str) -> bool:
    return name in METRICS and METRICS[name].is_share


def _part_table(report: EvalReport, group: Group) -> PartTable:
    parts = list(report.groups[group].items())
    shown, metric = parts[:_MAX_PARTS], report.primary_metric
    ends = [part.mean for _, part in shown]
    ends += [end for _, part in shown for end in (part.ci95_low, part.ci95_high) if end is not None]
    scale = Scale(0.0, 1.0) if _is_share(metric) else scale_of(ends, is_share=False)
    return PartTable(
        group=group,
        parts=tuple(_part(cut(name, most=_MAX_NAME_CHARS), metric, part, scale) for name, part in shown),
        num_left_out=len(parts) - len(shown),
        scale_low=numbers.in_unit(metric, scale.low),
        scale_high=numbers.in_unit(metric, scale.high),
    )


def _part(name: str, metric: str, estimate: MetricEstimate, scale: Scale) -> Part:
    interval, value = _interval(metric, estimate), numbers.in_unit(metric, estimate.mean)
    whisker = scale.whisker(
        estimate.mean, estimate.ci95_low, estimate.ci95_high, label=f"{value}, 95 % interval {interval}"
    )
    return Part(name, estimate.n, value, interval, whisker)


def _self_test(report: EvalReport) -> str:
    """Return what the scorer's trial on known texts gave."""
    test = report.self_test
    if test is None:
        return "The verdicts were given elsewhere; the scorer could not be tried on known texts."
    gold, shuffled, expected = map(
        numbers.percent, (test.gold_mean, test.shuffled_mean, test.expected_shuffled_mean)
    )
    return (
        f"Before it was believed, the scorer was tried on texts whose score is known: true completions scored"
        f" {gold} %, completions of other questions {shuffled} % ({expected} % of those answers happen to be"
        " equal)."
    )
