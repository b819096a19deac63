"""Statistics of scores: means with the uncertainty that belongs to them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tunix_ml.contracts.evaluation import MetricEstimate

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A closed interval."""

    low: float
    high: float


def wilson_interval(mean: float, n: int, *, z: float = Z_95) -> Interval:
    """Return the Wilson score interval of a share of n items.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.
    """
    if n < 1 or not 0 <= mean <= 1:
        raise ValueError(f"a share is in 0..1 of at least one item, got {mean} of {n}")
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    low = 0.0 if mean == 0 else max(0.0, centre - half)
    return Interval(low, 1.0 if mean == 1 else min(1.0, centre + half))


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean, from the sample standard deviation; 0 for a single value."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def estimate(values: Sequence[float]) -> MetricEstimate:
    """Return mean, standard error and 95 % interval of scores in 0..1.

    Raises:
        ValueError: there are no values; a mean of nothing is not a number.
    """
    if not values:
        raise ValueError("a mean needs at least one score")
    mean = math.fsum(values) / len(values)
    interval = wilson_interval(mean, len(values))
    return MetricEstimate(
        mean=mean,
        stderr=standard_error(values),
        ci95_low=interval.low,
        ci95_high=interval.high,
        n=len(values),
    )


class PairedDifference(NamedTuple):
    """The mean difference of two runs on the same items, with its 95 % interval."""

    mean: float
    low: float
    high: float


def paired_difference(scores: Sequence[float], baseline: Sequence[float]) -> PairedDifference:
    """Return how much better the scores, in 0..1, are than the baseline's, item by item.

    A single item has no spread to judge by; its interval is everything possible.

    Raises:
        ValueError: the two do not have the same number of items, or have none.

    Source: paired normal interval; E. Miller, Adding error bars to evals, 2024, section 4.2.
    """
    if len(scores) != len(baseline) or not scores:
        raise ValueError(f"a paired difference needs the same items, got {len(scores)} and {len(baseline)}")
    differences = [mine - theirs for mine, theirs in zip(scores, baseline, strict=True)]
    mean = math.fsum(differences) / len(differences)
    if len(differences) == 1:
        return PairedDifference(mean, -1.0, 1.0)
    half = Z_95 * standard_error(differences)
    return PairedDifference(mean, mean - half, mean + half)
