"""Line charts as geometry: scales, ticks and paths, which a template draws as inline SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.evaluation.comparison.numbers import short

WIDTH, HEIGHT = 460, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 14, 36
_NUM_TICKS = 5
_MAX_POINTS = 240


class Point(NamedTuple):
    """A value at a step."""

    x: float
    y: float


@dataclass(frozen=True)
class Series:
    """A named line; `style` is the class it is drawn with, `marks` whether its points are dots."""

    name: str
    points: Sequence[Point]
    style: str
    has_marks: bool = False


class Tick(NamedTuple):
    """A labelled place on an axis."""

    position: float
    label: str


class Line(NamedTuple):
    """A line to draw: its path, the dots on it, and where it ends."""

    name: str
    style: str
    path: str
    marks: list[Point]


@dataclass(frozen=True)
class Chart:
    """All that a template needs to draw a chart; positions are in the units of its view box."""

    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    num_points: int
    num_left_out: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


class _Scale(NamedTuple):
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def line_chart(
    series: Sequence[Series], *, title: str, y_label: str, x_label: str = "step", from_zero: bool = False
) -> Chart | None:
    """Return a chart of some lines over one pair of axes; None where there is no point to draw.

    Lines of many points are thinned: of each stretch its lowest and highest value stay.
    """
    drawn = [one for one in series if one.points]
    if not drawn:
        return None
    shown = [thinned(one.points) for one in drawn]
    everything = [point for points in shown for point in points]
    x_ends = _ends([point.x for point in everything], from_zero=True)
    y_values = ticks(*_ends([point.y for point in everything], from_zero=from_zero))
    x = _Scale(*x_ends, _LEFT, WIDTH - _RIGHT)
    y = _Scale(y_values[0], y_values[-1], HEIGHT - _BOTTOM, _TOP)
    num_points = sum(len(one.points) for one in drawn)
    return Chart(
        title=title,
        description="; ".join(map(_described, drawn)),
        x_label=x_label,
        y_label=y_label,
        x_ticks=[Tick(x(value), short(value)) for value in ticks(*x_ends) if x_ends[0] <= value <= x_ends[1]],
        y_ticks=[Tick(y(value), short(value)) for value in y_values],
        lines=[_line(one, points, x, y) for one, points in zip(drawn, shown, strict=True)],
        num_points=num_points,
        num_left_out=num_points - len(everything),
    )


def ticks(low: float, high: float) -> list[float]:
    """Return round values, equally spaced, from at or below the lowest to at or above the highest."""
    step = _round_step((high - low) / _NUM_TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, max(last, first + 1) + 1)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most so many points as a chart can show: of each stretch the lowest and the highest."""
    if len(points) <= _MAX_POINTS:
        return list(points)
    num_stretches = (_MAX_POINTS - 2) // 2
    inner, kept = points[1:-1], [points[0]]
    for index in range(num_stretches):
        stretch = inner[index * len(inner) // num_stretches : (index + 1) * len(inner) // num_stretches]
        ends = {min(stretch, key=lambda point: point.y), max(stretch, key=lambda point: point.y)}
        kept += sorted(ends)
    return [*kept, points[-1]]


def _round_step(rough: float) -> float:
    """Return the least of 1, 2, 2.5, 5 and 10 times a power of ten that is not below a rough step."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _ends(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    """Return the ends of an axis, apart even where all values are one."""
    low, high = min(values), max(values)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    margin = abs(high) / 2 or 0.5
    return low - margin, high + margin


def _line(series: Series, points: Sequence[Point], x: _Scale, y: _Scale) -> Line:
    placed = [Point(x(point.x), y(point.y)) for point in points]
    path = "M" + "L".join(f"{point.x:g},{point.y:g}" for point in placed)
    return Line(series.name, series.style, path, placed if series.has_marks or len(placed) == 1 else [])


def _described(series: Series) -> str:
    return " ".join(_words(series))


def _words(series: Series) -> Iterator[str]:
    first, last = series.points[0], series.points[-1]
    lowest = min(point.y for point in series.points)
    yield f"{series.name}: {short(first.y)} at step {short(first.x)},"
    yield f"{short(last.y)} at step {short(last.x)}, lowest {short(lowest)}"
