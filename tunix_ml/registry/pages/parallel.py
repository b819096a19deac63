"""Parallel coordinates as geometry: an upright axis for each quantity, a line through them for each trial."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tunix_ml.evaluation.comparison.numbers import short
from tunix_ml.registry.pages.chart import Tick
from tunix_ml.registry.pages.text import cut

WIDTH, HEIGHT = 720, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 60, 34, 16
_MAX_LABEL_CHARS = 14
_MAX_CHOICES = 12

Value = int | float | str
AxisKind = Literal["linear", "log", "choice"]


@dataclass(frozen=True)
class Axis:
    """A quantity and its value for each trial."""

    name: str
    kind: AxisKind
    values: Sequence[Value]


class PlacedAxis(NamedTuple):
    """An axis to draw: where it stands, its name, and its labelled places."""

    x: float
    name: str
    ticks: list[Tick]


class PlacedLine(NamedTuple):
    """A trial to draw, and the class it is drawn with."""

    path: str
    style: str
    label: str


@dataclass(frozen=True)
class Parallel:
    """All that a template needs to draw it; the first trials are the best and drawn last."""

    axes: list[PlacedAxis]
    lines: list[PlacedLine]
    description: str
    width: int = WIDTH
    height: int = HEIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def parallel_coordinates(axes: Sequence[Axis], *, labels: Sequence[str]) -> Parallel | None:
    """Return the picture of some trials, best first; None where there are fewer than two of them.

    Args:
        axes: with a value for each trial.
        labels: of the trials.
    """
    if len(labels) < 2 or len(axes) < 2:
        return None
    step = (WIDTH - _LEFT - _RIGHT) / (len(axes) - 1)
    positions = [round(_LEFT + index * step, 1) for index in range(len(axes))]
    scales = [_Scale(axis) for axis in axes]
    lines = [
        PlacedLine(
            "M"
            + "L".join(
                f"{x:g},{scale.place(axis.values[index]):g}"
                for x, scale, axis in zip(positions, scales, axes, strict=True)
            ),
            "best" if index == 0 else "other",
            label,
        )
        for index, label in enumerate(labels)
    ]
    return Parallel(
        axes=[
            PlacedAxis(x, axis.name, scale.ticks())
            for x, axis, scale in zip(positions, axes, scales, strict=True)
        ],
        lines=lines[::-1],
        description=f"{len(labels)} trials over {', '.join(axis.name for axis in axes)}; best: {labels[0]}",
    )


class _Scale:
    """The height of each value of an axis."""

    def __init__(self, axis: Axis) -> None:
        self._kind = axis.kind
        self._choices = sorted({str(value) for value in axis.values}) if axis.kind == "choice" else []
        numbers = [] if self._choices else [self._number(value) for value in axis.values]
        self._low, self._high = (min(numbers), max(numbers)) if numbers else (0.0, len(self._choices) - 1.0)

    def place(self, value: Value) -> float:
        """Return where a value lies; a single one lies in the middle."""
        span = self._high - self._low
        share = (self._number(value) - self._low) / span if span > 0 else 0.5
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP), 1)

    def ticks(self) -> list[Tick]:
        """Return the choices, or the ends of a range."""
        if self._choices:
            shown = self._choices[:_MAX_CHOICES]
            return [Tick(self.place(choice), cut(choice, most=_MAX_LABEL_CHARS)) for choice in shown]
        ends = sorted({self._low, self._high})
        places = [HEIGHT - _BOTTOM, _TOP] if len(ends) == 2 else [(HEIGHT - _BOTTOM + _TOP) / 2]
        return [Tick(at, short(self._spelled(end))) for at, end in zip(places, ends, strict=True)]

    def _number(self, value: Value) -> float:
        if self._choices:
            return float(self._choices.index(str(value)))
        return math.log(float(value)) if self._kind == "log" else float(value)

    def _spelled(self, end: float) -> float:
        return math.exp(end) if self._kind == "log" else end
