import math
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.statistics.estimates import Total, normal_interval, standard_error
from tunix_ml.evaluation.statistics.paired_interval import (
    padded_interval,
    padded_totals,
    paired_bounds,
    score_interval,
)

Z = 1.959963984540054
counts = st.integers(1, 300).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "low", "high"),
    # Published without a correction: R. G. Newcombe's example of 12 and 2 in 50, and 1 and 7 in 21 of
    # M. W. Fagerland, S. Lydersen and P. Laake, 2014.
    [(12, 2, 50, 0.0611, 0.3447), (1, 7, 21, -0.517, -0.026)],
)
def test_the_score_interval_is_the_published_one(
    wins: int, losses: int, n: int, low: float, high: float
) -> None:
    assert score_interval(wins, losses, n, correction=0) == pytest.approx((low, high), abs=5e-4)


def test_the_score_interval_without_a_discordant_item_by_hand() -> None:
    # The score equation is n d = z sqrt(n d (1 - d)): d = z^2 / (n + z^2).
    bound = Z * Z / (100 + Z * Z)

    assert score_interval(0, 0, 100, correction=0) == pytest.approx((-bound, bound), abs=1e-12)


def test_the_corrected_bound_without_a_discordant_item_by_hand() -> None:
    # n d - 1/2 = z sqrt(n d (1 - d)), a quadratic equation in d.
    a, b, c = 100 * 100 + 100 * Z * Z, -100 - 100 * Z * Z, 0.25
    bound = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)

    assert score_interval(0, 0, 100) == pytest.approx((-bound, bound), abs=1e-12)


@given(counts)
def test_the_score_interval_lies_around_the_difference_within_its_range(found: tuple[int, int, int]) -> None:
    wins, losses, n = found
    low, high = score_interval(wins, losses, n)

    assert -1 <= low <= (wins - losses) / n <= high <= 1
    back = score_interval(losses, wins, n)
    assert (low, high) == (-back.high, -back.low)
    narrow = score_interval(wins, losses, n, confidence=0.9)
    assert low <= narrow.low
    assert narrow.high <= high


@given(counts)
def test_0_is_in_the_score_interval_where_the_corrected_mcnemar_statistic_is_small(
    found: tuple[int, int, int],
) -> None:
    wins, losses, n = found
    is_far = abs(wins - losses) - 0.5 > Z * math.sqrt(wins + losses)
    low, high = score_interval(wins, losses, n)

    assert (low > 0 or high < 0) == (is_far and wins + losses > 0)


def test_on_many_items_the_score_interval_comes_near_the_normal_one() -> None:
    stderr = standard_error([1.0] * 600 + [-1.0] * 500 + [0.0] * 8900)

    assert score_interval(600, 500, 10_000) == pytest.approx(normal_interval(0.01, stderr), abs=2e-4)


@pytest.mark.parametrize(("wins", "losses", "n"), [(0, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_counts_that_cannot_be_are_refused(wins: int, losses: int, n: int) -> None:
    with pytest.raises(ContractError, match=r"wins and .* losses are not possible over"):
        score_interval(wins, losses, n)


def error_rates(n: int, num_differing: float, difference: float) -> tuple[float, float]:
    """Return how often the interval lies below the true difference, and how often its bound lies above.

    By counting every outcome of n items of which a share differs.
    """
    win, lose = (num_differing + difference) / 2, (num_differing - difference) / 2
    below = above = 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            ways = comb(n, wins) * comb(n - wins, losses)
            probability = ways * win**wins * lose**losses * (1 - num_differing) ** (n - wins - losses)
            if probability > 1e-12:
                below += probability * (score_interval(wins, losses, n).high < difference)
                above += probability * (score_interval(wins, losses, n, confidence=0.9).low > difference)
    return below, above


@pytest.mark.parametrize("n", [4, 5, 6, 12, 30])
@pytest.mark.parametrize(("share", "at_most"), [(0.1, 0.045), (0.3, 0.045), (0.7, 0.045), (1.0, 0.07)])
def test_the_score_interval_errs_no_more_than_it_says_on_few_items(
    n: int, share: float, at_most: float
) -> None:
    below, _ = error_rates(n, share, 0.0)
    _, above = error_rates(n, share, -0.1)

    assert below <= 0.032
    assert above <= at_most


def test_padding_by_hand() -> None:
    totals = [Total(0.5, 1), Total(-1.0, 3)]

    assert padded_totals(totals, largest=0.5) == [*totals, Total(1.0, 2), Total(-1.0, 2)]


def test_a_padded_interval_by_hand() -> None:
    # 0, 0, 1, -1: mean 0, variance 2/3, standard error sqrt(1/6); t of 1 df is tan(0.475 pi).
    half = math.tan(math.pi / 2 * 0.95) * math.sqrt(1 / 6)

    found = padded_interval([Total(0.0, 1), Total(0.0, 1)], largest=1.0)

    assert found == pytest.approx((-half, half))


def test_zeros_and_ones_have_the_score_interval() -> None:
    found = paired_bounds([1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], is_share=True)

    assert found[:2] == score_interval(2, 1, 4)
    assert found.lower_bound == score_interval(2, 1, 4, confidence=0.9).low
    # 1, 0, -1, 1 and the pretended 1, -1: mean 1/6, sum of squares 5 - 1/6, over 5 degrees of freedom.
    assert found.sd == pytest.approx(math.sqrt((5 - 1 / 6) / 5))


@pytest.mark.parametrize(
    ("scores", "clusters"),
    [([0.5, 0.0, 1.0], None), ([1.0, 0.0, 1.0], ["a", "a", "b"])],
    ids=["several samples", "clusters"],
)
def test_other_shares_have_the_padded_interval_within_their_range(
    scores: list[float], clusters: list[str] | None
) -> None:
    found = paired_bounds(scores, [0.0, 0.0, 0.0], is_share=True, clusters=clusters)

    assert (found.low, found.high, found.lower_bound) != (*score_interval(2, 0, 3), None)
    assert -1 <= found.low <= found.lower_bound < 0.5 < found.high <= 1


def test_shares_that_never_differ_are_not_certain() -> None:
    alike = [0.25, 0.5, 1.0, 0.75] * 10

    in_four = paired_bounds(alike, alike, is_share=True, clusters=list("abcd") * 10)
    in_two = paired_bounds(alike, alike, is_share=True, clusters=list("ab") * 20)

    assert -1 < in_four.low < in_four.lower_bound < -0.5
    assert in_four.high == -in_four.low
    assert in_two[:3] == (-1, 1, -1)


def test_a_metric_without_bounds_is_padded_by_what_it_shows() -> None:
    short, wide = [1.0, 2.0, 4.0], [1.5, 2.0, 5.0]
    found = paired_bounds(wide, short, is_share=False)
    totals = [Total(0.5, 1), Total(0.0, 1), Total(1.0, 1)]
    assert found[:2] == padded_interval(totals, largest=1.0)

    none = paired_bounds(short, short, is_share=False)
    assert none[:2] == padded_interval([Total(0.0, 1)] * 3, largest=4.0)

    zero = paired_bounds([0.0] * 3, [0.0] * 3, is_share=False)
    assert zero[:2] == padded_interval([Total(0.0, 1)] * 3, largest=1.0)


@pytest.mark.parametrize("num_samples", [2, 4])
def test_means_of_several_samples_err_no_more_than_the_interval_says(num_samples: int) -> None:
    rng = np.random.default_rng(num_samples)
    below = above = 0
    for _ in range(600):
        ease = rng.beta(0.5, 0.5, 60)
        mine, theirs = (list(rng.binomial(num_samples, ease) / num_samples) for _ in range(2))
        found = paired_bounds(mine, theirs, is_share=True)
        below += found.high < 0
        above += found.lower_bound > 0

    # 2.5 and 5 % of 600 are 15 and 30, and three standard deviations more are 26 and 46.
    assert below <= 26
    assert above <= 46


def test_no_item_has_no_bounds() -> None:
    with pytest.raises(ContractError, match="at least one item"):
        paired_bounds([], [], is_share=True)
