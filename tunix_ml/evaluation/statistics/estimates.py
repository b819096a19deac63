"""Statistics of scores: means with the uncertainty that belongs to them."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import Interval as IntervalName
from tunix_ml.contracts.evaluation import MetricEstimate
from tunix_ml.evaluation.statistics.student_t import t_quantile

Z_95 = 1.959963984540054
# Below this a standard error of shares is what rounding leaves of 0.
_NO_SPREAD = 1e-12


class Interval(NamedTuple):
    """A closed interval."""

    low: float
    high: float


class Total(NamedTuple):
    """The scores of a cluster added up, and how many they are."""

    sum: float
    size: float


def estimate_mean(
    values: Sequence[float], *, clusters: Sequence[str] | None = None, is_share: bool = True
) -> MetricEstimate:
    """Return the mean of one score for each item with the interval that suits the scores.

    Shares that are all 0 or 1 have the Wilson interval; other scores, and items in clusters, a normal one,
    which for shares is cut at 0 and 1. Shares that show no spread have the Wilson interval of as many trials
    as there are clusters, since a normal one would have no width. Without two items or clusters to tell a
    spread from, the bounds are None unless the scores are shares.

    Raises:
        ContractError: there are no values, one is not finite, a share is outside 0..1, or the clusters are
            not as many as the values.
    """
    _refuse_bad_values(values, is_share=is_share)
    totals = cluster_totals(values, clusters)
    mean, n = math.fsum(values) / len(values), len(values)
    stderr = standard_error(values) if len(totals) == n else totals_standard_error(totals)
    is_clustered = len(totals) < n
    name: IntervalName = "clustered" if is_clustered else "normal"
    low: float | None = None
    high: float | None = None
    if is_share and (stderr < _NO_SPREAD or (not is_clustered and set(values) <= {0, 1})):
        name, (low, high) = "wilson", wilson_interval(mean, len(totals))
    elif len(totals) > 1:
        low, high = normal_interval(mean, stderr)
        low, high = (max(0.0, low), min(1.0, high)) if is_share else (low, high)
    return MetricEstimate(mean=mean, stderr=stderr, ci95_low=low, ci95_high=high, n=n, interval=name)


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


def normal_interval(mean: float, stderr: float, *, z: float = Z_95) -> Interval:
    """Return the interval of a mean whose errors are taken as normal."""
    return Interval(mean - z * stderr, mean + z * stderr)


def t_interval(mean: float, stderr: float, *, df: int, confidence: float = 0.95) -> Interval:
    """Return the interval of a mean whose spread was estimated with `df` degrees of freedom: n - 1."""
    return normal_interval(mean, stderr, z=t_quantile(confidence, df=df))


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean, from the sample standard deviation; 0 for a single value."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def cluster_totals(values: Sequence[float], clusters: Sequence[str] | None) -> list[Total]:
    """Return the total of each cluster, in order of first appearance; without clusters of each value.

    Raises:
        ContractError: the clusters are not as many as the values.
    """
    if clusters is None:
        return [Total(value, 1) for value in values]
    if len(clusters) != len(values):
        raise ContractError(f"each score needs its cluster, got {len(clusters)} for {len(values)} scores")
    members: dict[str, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        members[cluster].append(value)
    return [Total(math.fsum(found), len(found)) for found in members.values()]


def totals_mean(totals: Sequence[Total]) -> float:
    """Return the mean over all items of the clusters."""
    return math.fsum(total.sum for total in totals) / math.fsum(total.size for total in totals)


def totals_standard_error(totals: Sequence[Total]) -> float:
    """Return the standard error of that mean, where values are alike within a cluster.

    The sum over clusters of the squared sum of their residuals (CR0), times G / (G - 1) for G clusters: with
    an item in each it is the plain standard error. One cluster alone has none to show, and gives 0.

    Source: E. Miller, Adding error bars to evals, 2024, section 2.2; the factor is that of A. C. Cameron and
    D. L. Miller, A practitioner's guide to cluster-robust inference, 2015, section II.B.
    """
    if len(totals) < 2:
        return 0.0
    mean = totals_mean(totals)
    squares = math.fsum((total.sum - mean * total.size) ** 2 for total in totals)
    correction = len(totals) / (len(totals) - 1)
    return math.sqrt(correction * squares) / math.fsum(total.size for total in totals)


def _refuse_bad_values(values: Sequence[float], *, is_share: bool) -> None:
    if not values:
        raise ContractError("a mean needs at least one score")
    for value in values:
        if not math.isfinite(value) or (is_share and not 0 <= value <= 1):
            raise ContractError(
                f"score {value} is not {'a share in 0..1' if is_share else 'a finite number'}"
            )
