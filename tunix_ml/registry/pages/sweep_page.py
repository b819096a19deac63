"""The page of a sweep: what was searched, what came of each trial, and the best recipe."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.sweep import Dimension, SweepReport, Trial
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.chart import Chart, Point, Series, line_chart
from tunix_ml.registry.pages.parallel import Axis, AxisKind, Parallel, parallel_coordinates
from tunix_ml.registry.pages.run_page import Fact
from tunix_ml.registry.pages.sweeps import PublishedSweep
from tunix_ml.registry.pages.text import cut

_AXIS_KINDS: dict[str, AxisKind] = {"loguniform": "log", "uniform": "linear", "int": "linear"}
_MAX_CHARS = 200
_MOST_TRIALS = 500


class TrialLine(NamedTuple):
    """A trial as a row of the page's table."""

    number: int
    what: str
    status: str
    chip: str
    step: int
    first: float | None
    metric: float | None
    values: list[str]
    run_id: str
    page: str | None
    note: str
    is_best: bool


class Share(NamedTuple):
    """The importance of a field."""

    field: str
    value: float


@dataclass(frozen=True, kw_only=True)
class SweepView:
    """All that the page of a sweep shows."""

    sweep_id: str
    title: str
    dataset_version: str
    sentence: str
    metric: str
    is_minimised: bool
    fields: list[str]
    best: str
    best_metric: str
    best_run_id: str
    rerun: str
    rerun_note: str
    first_rung: int
    history: Chart | None
    parallel: Parallel | None
    importances: list[Share]
    importance_note: str
    trials: list[TrialLine]
    num_left_out: int
    space: list[Fact]
    best_config: str
    document: str
    digest: str
    made_at: str


def sweep_view(sweep: PublishedSweep, *, run_ids: Collection[str]) -> SweepView:
    """Return what the page of a sweep shows; runs with these ids have pages of their own."""
    report, trials = sweep.report, sweep.trials
    return SweepView(
        sweep_id=report.sweep_id,
        title=f"{report.recipe} on {report.dataset_version}",
        dataset_version=report.dataset_version,
        sentence=_sentence(report),
        metric=report.metric,
        is_minimised=report.is_minimised,
        fields=report.fields,
        best=f"trial {report.best}",
        best_metric=numbers.in_unit(report.metric, report.best_metric),
        best_run_id=report.best_run_id,
        rerun=numbers.in_unit(report.metric, report.rerun_mean),
        rerun_note=_rerun_note(report),
        first_rung=report.rungs[0],
        history=_history(report, trials),
        parallel=_parallel(report, trials, sweep.space),
        importances=[Share(field, share) for field, share in report.importances.items()],
        importance_note=report.importance_note,
        trials=[_line(trial, report, run_ids) for trial in trials[:_MOST_TRIALS]],
        num_left_out=max(0, len(trials) - _MOST_TRIALS),
        space=[Fact(field, _spelled(dimension)) for field, dimension in sweep.space.items()],
        best_config=report.best_config,
        document=links.sweep_document(report.sweep_id),
        digest=sweep.snapshot.digest,
        made_at=sweep.snapshot.record.created_at,
    )


def _sentence(report: SweepReport) -> str:
    counts = ", ".join(f"{number:,} {status}" for status, number in sorted(report.status_counts.items()))
    asked = f" on {report.evaluation_set}" if report.evaluation_set else ""
    way = "lowest" if report.is_minimised else "highest"
    ended = {
        "trials": "",
        "space": " Every recipe of the space was tried.",
        "time_budget": " It ended in time, not because it was done.",
    }[report.ended_by]
    steps = ", ".join(f"{step:,}" for step in report.rungs)
    return (
        f"{report.num_trials:,} recipes were to be tried for the {way} {report.metric}{asked}, by"
        f" {report.engine}, compared after {steps} steps: {counts}.{ended}"
    )


def _rerun_note(report: SweepReport) -> str:
    seeds = ", ".join(map(str, report.rerun_seeds))
    if report.rerun_stdev is None:
        return f"of the best recipe with the seeds {seeds}" if seeds else "the best recipe was not rerun"
    spread = numbers.short(report.rerun_stdev)
    return f"mean of the best recipe with the seeds {seeds}; standard deviation {spread}"


def _history(report: SweepReport, trials: Sequence[Trial]) -> Chart | None:
    """Return the value of each trial at the first rung, and the best so far."""
    found = [trial for trial in trials if trial.kind == "search" and trial.rungs]
    points = [Point(trial.number, trial.rungs[0].value) for trial in found]
    better = min if report.is_minimised else max
    so_far = [
        Point(one.x, better(point.y for point in points[: index + 1])) for index, one in enumerate(points)
    ]
    return line_chart(
        [Series("trial", points, "a", has_marks=True), Series("best so far", so_far, "b")],
        title="History",
        y_label=f"{report.metric} after step {report.rungs[0]:,}",
        x_label="trial",
    )


def _parallel(report: SweepReport, trials: Sequence[Trial], space: dict[str, Dimension]) -> Parallel | None:
    """Return the trials that came to the first rung, the best of the sweep first."""
    found = [trial for trial in trials if trial.kind == "search" and trial.rungs]
    found.sort(key=lambda trial: (trial.number != report.best, trial.number))
    axes = [
        Axis(field, _AXIS_KINDS.get(dimension.kind, "choice"), [trial.values[field] for trial in found])
        for field, dimension in space.items()
    ]
    axes.append(Axis(report.metric, "linear", [trial.rungs[0].value for trial in found]))
    return parallel_coordinates(axes, labels=[f"trial {trial.number}" for trial in found])


def _line(trial: Trial, report: SweepReport, run_ids: Collection[str]) -> TrialLine:
    chips = {"complete": "valid", "failed": "invalid", "pruned": "incomplete"}
    return TrialLine(
        number=trial.number,
        what=f"trial {trial.number}" if trial.kind == "search" else f"rerun, seed {trial.seed}",
        status=trial.status,
        chip=chips.get(trial.status, "stale"),
        step=trial.step,
        first=trial.rungs[0].value if trial.kind == "search" and trial.rungs else None,
        metric=trial.metric,
        values=[cut(_value(trial.values.get(field)), most=_MAX_CHARS) for field in report.fields],
        run_id=trial.run_id,
        page=links.run_page(trial.run_id) if trial.run_id in run_ids else None,
        note=cut(trial.reason or "", most=_MAX_CHARS),
        is_best=trial.number == report.best,
    )


def _value(value: float | str | None) -> str:
    return numbers.short(value) if isinstance(value, float) else str(value)


def _spelled(dimension: Dimension) -> str:
    ends = [_value(value) for value in dimension.values]
    if dimension.kind == "choice":
        return cut(f"one of {', '.join(ends)}", most=_MAX_CHARS)
    scale = {"loguniform": ", on a logarithmic scale", "int": ", whole numbers"}.get(dimension.kind, "")
    return f"{ends[0]} to {ends[1]}{scale}"
