"""The curves of a run's training, or of two runs over each other."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tunix_ml.contracts.training import MetricsRow
from tunix_ml.registry.pages.chart import Chart, Point, Series, line_chart


class Curve(NamedTuple):
    """A quantity of a metrics row that is drawn on its own."""

    title: str
    y_label: str
    value: Callable[[MetricsRow], float | None]
    from_zero: bool = False


_CURVES = (
    Curve("Learning rate", "of the optimizer", lambda row: row.learning_rate, from_zero=True),
    Curve("Throughput", "tokens per second", lambda row: row.tokens_per_second, from_zero=True),
    Curve("Gradient norm", "global norm before clipping", lambda row: row.grad_norm, from_zero=True),
)


def training_charts(rows: Sequence[MetricsRow]) -> tuple[Chart, ...]:
    """Return the charts of a run, none where it left no metrics."""
    loss = line_chart(
        [
            Series("training loss", _points(rows, lambda row: row.loss), "a"),
            Series("validation loss", _points(rows, lambda row: row.validation_loss), "b", has_marks=True),
        ],
        title="Loss",
        y_label="nats per token",
    )
    charts = [
        loss,
        *(
            line_chart(
                [Series(curve.y_label, _points(rows, curve.value), "a")],
                title=curve.title,
                y_label=curve.y_label,
                from_zero=curve.from_zero,
            )
            for curve in _CURVES
        ),
    ]
    return tuple(chart for chart in charts if chart)


def overlaid_charts(a: Sequence[MetricsRow], b: Sequence[MetricsRow]) -> tuple[Chart, ...]:
    """Return the training and validation losses of two runs, each in one chart."""
    return tuple(chart for chart in _overlaid(a, b) if chart)


def _overlaid(a: Sequence[MetricsRow], b: Sequence[MetricsRow]) -> Iterator[Chart | None]:
    quantities: dict[str, Callable[[MetricsRow], float | None]] = {
        "Training loss": lambda row: row.loss,
        "Validation loss": lambda row: row.validation_loss,
    }
    for title, value in quantities.items():
        has_marks = title == "Validation loss"
        yield line_chart(
            [
                Series("A", _points(a, value), "a", has_marks=has_marks),
                Series("B", _points(b, value), "b", has_marks=has_marks),
            ],
            title=title,
            y_label="nats per token",
        )


def _points(rows: Sequence[MetricsRow], value: Callable[[MetricsRow], float | None]) -> list[Point]:
    found = ((row.step, value(row)) for row in rows)
    return [Point(step, y) for step, y in found if y is not None]
