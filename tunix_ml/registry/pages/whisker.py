"""Small pictures of an interval: where a mean lies, how sure it is, and on which scale."""

from dataclasses import dataclass

from tunix_ml.registry.pages.chart import ticks

WIDTH, HEIGHT = 132, 18
_MARGIN = 5


@dataclass(frozen=True)
class Whisker:
    """An interval with its mean in units of the picture; `zero` is where no difference lies."""

    low: float
    high: float
    mean: float
    zero: float | None
    label: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Scale:
    """The values at the two ends of some pictures that are to be compared by eye."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value lies in the picture; what is beyond the scale lies at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(_MARGIN + share * (WIDTH - 2 * _MARGIN), 1)

    def whisker(self, mean: float, low: float | None, high: float | None, *, label: str) -> Whisker:
        """Return the picture of a mean with its interval; of the mean alone where there is no interval."""
        return Whisker(
            low=self.place(mean if low is None else low),
            high=self.place(mean if high is None else high),
            mean=self.place(mean),
            zero=self.place(0.0) if self.low < 0 < self.high else None,
            label=label,
        )


def scale_of(values: list[float], *, is_share: bool = True, is_signed: bool = False) -> Scale:
    """Return a scale of round ends that holds some values; of shares no further than from 0 to 1.

    A signed scale, of differences, is as far to the left of 0 as to the right.
    """
    if not values:
        return Scale(-1.0 if is_signed else 0.0, 1.0)
    low, high = min(values), max(values)
    if is_signed:
        high = max(abs(low), abs(high))
        low = -high
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    found = ticks(low, high)
    low, high = found[0], found[-1]
    if is_share and not is_signed:
        low, high = max(0.0, low), min(1.0, high)
    return Scale(low, high)
