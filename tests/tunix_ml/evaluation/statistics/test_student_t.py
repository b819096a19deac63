import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunix_ml.evaluation.statistics.student_t import central_probability, t_quantile


@pytest.mark.parametrize(
    ("confidence", "df", "t"),
    # By hand, of a confidence c: tan(pi/2 * c) for df 1, Cauchy's, and c * sqrt(2 / (1 - c**2)) for df 2.
    [
        (0.5, 1, 1.0),
        (0.95, 1, math.tan(math.pi / 2 * 0.95)),
        (0.5, 2, 0.5 * math.sqrt(2 / 0.75)),
        (0.95, 2, 0.95 * math.sqrt(2 / 0.0975)),
    ],
)
def test_quantiles_by_hand(confidence: float, df: int, t: float) -> None:
    assert t_quantile(confidence, df=df) == pytest.approx(t, rel=1e-12)


@given(st.floats(0.01, 0.999), st.integers(1, 5_000))
def test_a_quantile_is_scipys(confidence: float, df: int) -> None:
    # scipy's own inverse is good to about 1e-10 here.
    assert t_quantile(confidence, df=df) == pytest.approx(stats.t.ppf((1 + confidence) / 2, df), rel=1e-9)


@given(st.floats(0, 50), st.integers(1, 200))
def test_a_probability_is_scipys(t: float, df: int) -> None:
    expected = stats.t.cdf(t, df) - stats.t.cdf(-t, df)

    assert central_probability(t, df=df) == pytest.approx(expected, abs=1e-12)


def test_many_degrees_of_freedom_come_near_the_normal_quantile() -> None:
    assert t_quantile(0.95, df=100_000) == pytest.approx(1.959963984540054, abs=1e-4)
    assert t_quantile(0.95, df=100_000) > 1.959963984540054


@pytest.mark.parametrize(("confidence", "df"), [(0.0, 5), (1.0, 5), (math.nan, 5), (0.95, 0)])
def test_what_has_no_quantile_is_refused(confidence: float, df: int) -> None:
    with pytest.raises(ValueError, match=r"a confidence in 0\.\.1 and df of 1 or more"):
        t_quantile(confidence, df=df)
