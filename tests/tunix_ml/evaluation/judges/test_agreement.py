import math
from collections.abc import Sequence

import pytest

from tunix_ml.evaluation.judges.agreement import cohens_kappa
from tunix_ml.evaluation.statistics.estimates import Z_95


def test_kappa_of_a_table_computed_by_hand() -> None:
    kappa = cohens_kappa([[20, 5], [10, 15]])

    # Agreed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5. Of the variance: agreeing
    # 0.4 * (1 - 1.1 * 0.6)^2 + 0.3 * (1 - 0.9 * 0.6)^2 = 0.10972, differing
    # 0.36 * (0.1 * 1.1^2 + 0.2 * 0.9^2) = 0.10188, centre (0.4 - 0.5 * 0.6)^2 = 0.01; over 0.25 * 50.
    assert kappa is not None
    assert kappa.value == pytest.approx(0.4)
    half = Z_95 * math.sqrt((0.10972 + 0.10188 - 0.01) / (0.25 * 50))
    assert (kappa.low, kappa.high) == (pytest.approx(0.4 - half), pytest.approx(0.4 + half))


@pytest.mark.parametrize(
    "counts", [[[20, 5], [10, 15]], [[75, 1, 4], [5, 4, 1], [0, 0, 10]], [[1, 0], [3, 40]], [[3, 9], [7, 2]]]
)
def test_the_interval_is_that_of_the_delta_method(counts: list[list[int]]) -> None:
    total, size = sum(map(sum, counts)), len(counts)
    shares = [count / total for row in counts for count in row]

    def slope(cell: int) -> float:
        step = 1e-6
        up, down = ([s + sign * step * (i == cell) for i, s in enumerate(shares)] for sign in (1, -1))
        return (kappa_of(up, size) - kappa_of(down, size)) / (2 * step)

    slopes = [slope(cell) for cell in range(len(shares))]
    mean = sum(s * g for s, g in zip(shares, slopes, strict=True))
    variance = (sum(s * g * g for s, g in zip(shares, slopes, strict=True)) - mean**2) / total

    kappa = cohens_kappa(counts)
    assert kappa is not None
    # The slopes are numerical, hence the tolerance.
    assert kappa.value - kappa.low == pytest.approx(Z_95 * math.sqrt(variance), rel=1e-6)


def kappa_of(shares: Sequence[float], size: int) -> float:
    """Return kappa from shares that need not add up to 1, which is what a slope is taken of."""
    rows = [sum(shares[i * size : (i + 1) * size]) for i in range(size)]
    columns = [sum(shares[i::size]) for i in range(size)]
    by_chance = sum(row * column for row, column in zip(rows, columns, strict=True))
    return (sum(shares[:: size + 1]) - by_chance) / (1 - by_chance)


@pytest.mark.parametrize(
    ("counts", "value"),
    [
        ([[5, 0], [0, 5]], 1.0),
        ([[0, 5], [5, 0]], -1.0),
        ([[25, 0], [25, 0]], 0.0),
        ([[1, 1], [0, 0]], 0.0),
        ([[0, 9], [0, 0]], 0.0),
    ],
)
def test_raters_without_spread_have_an_interval_without_width(counts: list[list[int]], value: float) -> None:
    kappa = cohens_kappa(counts)

    assert kappa is not None
    assert (kappa.value, kappa.low, kappa.high) == (value, value, value)


@pytest.mark.parametrize("counts", [[[9, 0], [0, 0]], [[0, 0], [0, 1]], [[4]]])
def test_one_category_alone_leaves_nothing_to_agree_about(counts: list[list[int]]) -> None:
    assert cohens_kappa(counts) is None


def test_the_interval_stays_within_the_possible() -> None:
    kappa = cohens_kappa([[10, 0], [1, 10]])

    assert kappa is not None
    assert kappa.value < 1 == kappa.high


def test_who_is_the_first_rater_does_not_matter() -> None:
    assert cohens_kappa([[20, 5], [10, 15]]) == pytest.approx(cohens_kappa([[20, 10], [5, 15]]))


@pytest.mark.parametrize("counts", [[], [[0, 0], [0, 0]], [[1, 2]], [[1, 2], [3]]])
def test_a_table_that_is_none_is_refused(counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="kappa needs a square table of at least one case"):
        cohens_kappa(counts)
