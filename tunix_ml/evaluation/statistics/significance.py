"""Significance: whether two runs differ on identical items by more than chance, for one pair or for all."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.statistics.alignment import Scores, align, cluster_labels
from tunix_ml.evaluation.statistics.estimates import (
    cluster_totals,
    normal_interval,
    standard_error,
    totals_standard_error,
)
from tunix_ml.evaluation.statistics.sign_flip import sign_flip_test

TestName = Literal["mcnemar_exact", "sign_flip_exact", "sign_flip_sampled"]
_Columns = tuple[Sequence[float], Sequence[float]]


class Difference(NamedTuple):
    """The mean of score minus baseline over n items, with its 95 % normal interval.

    A single item or cluster has no spread to judge by: its bounds are None.
    """

    mean: float
    stderr: float
    low: float | None
    high: float | None
    n: int


class Significance(NamedTuple):
    """A two-sided p-value of no difference, and the test that gave it."""

    p_value: float
    test: TestName


class Comparison(NamedTuple):
    """One run against another on identical items; the p-value is adjusted for all pairs compared with it."""

    run: str
    baseline: str
    difference: Difference
    correlation: float | None
    p_value: float
    p_adjusted: float
    test: TestName


def paired_difference(
    scores: Scores, baseline: Scores, *, clusters: Mapping[str, str] | None = None
) -> Difference:
    """Return how far the scores lie above the baseline's, item by item.

    Raises:
        NotPaired: the two were not scored on identical items.

    Source: E. Miller, Adding error bars to evals, 2024, section 4.2.
    """
    items, columns = _align_two(scores, baseline)
    return _difference(_subtract(columns), cluster_labels(items, clusters))


def correlation(scores: Scores, baseline: Scores) -> float | None:
    """Return Pearson's correlation of two runs over items; None where a run scores all items alike.

    Raises:
        NotPaired: the two were not scored on identical items.
    """
    return _correlation(_align_two(scores, baseline).columns)


def significance(
    scores: Scores, baseline: Scores, *, clusters: Mapping[str, str] | None = None, seed: int = 0
) -> Significance:
    """Return the p-value of no difference, by the test that suits the scores.

    Exact McNemar where all scores are 0 or 1; else, and where items come in clusters, sign flips, of whole
    clusters.

    Raises:
        NotPaired: the two were not scored on identical items.
    """
    items, columns = _align_two(scores, baseline)
    return _significance(columns, cluster_labels(items, clusters), seed)


def mcnemar_exact(wins: int, losses: int) -> float:
    """Return the two-sided p-value of so many items won and lost, each a toss of a coin; 1 for none.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions, 1947,
    with the binomial distribution in place of its normal approximation.
    """
    tail = sum(_binomials(wins, losses))
    return min(1.0, 2 * tail / (1 << wins + losses))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted so that a wrong rejection among all of them stays as rare as in one.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def compare_all(
    scores_by_run: Mapping[str, Scores], *, clusters: Mapping[str, str] | None = None, seed: int = 0
) -> list[Comparison]:
    """Return every pair of runs, the later against the earlier, with p-values adjusted for all of them.

    Raises:
        NotPaired: the runs were not scored on identical items.
    """
    items, columns = align(scores_by_run)
    labels = cluster_labels(items, clusters)
    pairs = list(itertools.combinations(columns, 2))
    tested = [_significance((columns[run], columns[base]), labels, seed) for base, run in pairs]
    adjusted = holm([found.p_value for found in tested])
    return [
        Comparison(
            run=run,
            baseline=base,
            difference=_difference(_subtract((columns[run], columns[base])), labels),
            correlation=_correlation((columns[run], columns[base])),
            p_value=found.p_value,
            p_adjusted=p_adjusted,
            test=found.test,
        )
        for (base, run), found, p_adjusted in zip(pairs, tested, adjusted, strict=True)
    ]


class _Two(NamedTuple):
    items: list[str]
    columns: _Columns


def _align_two(scores: Scores, baseline: Scores) -> _Two:
    items, columns = align({"the baseline": baseline, "the run": scores})
    return _Two(items, (columns["the run"], columns["the baseline"]))


def _subtract(columns: _Columns) -> list[float]:
    return [mine - theirs for mine, theirs in zip(*columns, strict=True)]


def _difference(differences: Sequence[float], labels: Sequence[str] | None) -> Difference:
    totals = cluster_totals(differences, labels)
    mean, n = math.fsum(differences) / len(differences), len(differences)
    stderr = standard_error(differences) if labels is None else totals_standard_error(totals)
    if len(totals) < 2:
        return Difference(mean, stderr, None, None, n)
    return Difference(mean, stderr, *normal_interval(mean, stderr), n)


def _correlation(columns: _Columns) -> float | None:
    mine, theirs = map(_centred, columns)
    spread = math.sqrt(math.fsum(a * a for a in mine) * math.fsum(b * b for b in theirs))
    if spread == 0:
        return None
    return math.fsum(a * b for a, b in zip(mine, theirs, strict=True)) / spread


def _centred(values: Sequence[float]) -> list[float]:
    if min(values) == max(values):
        return [0.0] * len(values)
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def _significance(columns: _Columns, labels: Sequence[str] | None, seed: int) -> Significance:
    differences = _subtract(columns)
    if labels is None and all(set(column) <= {0, 1} for column in columns):
        wins, losses = differences.count(1), differences.count(-1)
        return Significance(mcnemar_exact(wins, losses), "mcnemar_exact")
    sums = [total.sum for total in cluster_totals(differences, labels)]
    p_value, is_exact = sign_flip_test(sums, seed=seed)
    return Significance(p_value, "sign_flip_exact" if is_exact else "sign_flip_sampled")


def _binomials(wins: int, losses: int) -> list[int]:
    """Return the ways to toss 0, 1 and up to min(wins, losses) heads among wins + losses coins."""
    if wins < 0 or losses < 0:
        raise ContractError(f"wins and losses are counts, got {wins} and {losses}")
    n, terms = wins + losses, [1]
    for heads in range(1, min(wins, losses) + 1):
        terms.append(terms[-1] * (n - heads + 1) // heads)
    return terms
