import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunix_ml.evaluation.statistics import estimate, paired_difference, standard_error, wilson_interval

counts = st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
scores = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=200)


@pytest.fixture(scope="module")
def references() -> dict[str, Any]:
    """The reference values that were computed for published GSM8K solutions with other software."""
    beside = Path(__file__).parents[3].parent / "shared" / "data" / "gsm8k"
    path = Path(os.environ.get("GSM8K_DIR") or beside) / "reference_values.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: set GSM8K_DIR to the folder that holds it")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


@pytest.mark.parametrize(
    ("mean", "n", "low", "high"),
    # 7 of 10 by hand: centre (0.7 + z^2/20)/(1 + z^2/10), half z/(1 + z^2/10) * sqrt(0.021 + z^2/400).
    [
        (0.7, 10, 0.396778, 0.892209),
        (0.0, 10, 0.0, 0.277533),
        (1.0, 10, 0.722467, 1.0),
        (1.0, 1, 0.206549, 1.0),
    ],
)
def test_wilson_intervals_by_hand(mean: float, n: int, low: float, high: float) -> None:
    assert wilson_interval(mean, n) == pytest.approx((low, high), abs=1e-6)


@given(counts)
def test_the_wilson_interval_is_scipys(share: tuple[int, int]) -> None:
    k, n = share
    theirs = stats.binomtest(k, n).proportion_ci(confidence_level=0.95, method="wilson")

    # The same formula in another order of operations.
    assert wilson_interval(k / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(counts)
def test_an_interval_holds_its_mean_and_stays_within_0_and_1(share: tuple[int, int]) -> None:
    k, n = share
    low, high = wilson_interval(k / n, n)

    assert 0 <= low <= k / n <= high <= 1


@pytest.mark.parametrize(("mean", "n"), [(0.5, 0), (-0.1, 5), (1.1, 5), (math.nan, 5)])
def test_a_share_of_nothing_or_outside_0_and_1_has_no_interval(mean: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"a share is in 0\.\.1 of at least one item"):
        wilson_interval(mean, n)


@given(scores)
def test_the_standard_error_is_scipys(values: list[float]) -> None:
    assert standard_error(values) == pytest.approx(stats.sem(values), abs=1e-12)


def test_a_single_value_has_no_spread() -> None:
    assert standard_error([1.0]) == 0.0


def test_an_estimate_by_hand() -> None:
    found = estimate([1.0, 1.0, 0.0, 1.0])

    assert (found.mean, found.n) == (0.75, 4)
    assert found.stderr == pytest.approx(0.25)  # sqrt(3/16 * 4/3 / 4)
    assert (found.ci95_low, found.ci95_high) == wilson_interval(0.75, 4)


def test_a_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one score"):
        estimate([])


def test_a_paired_difference_by_hand() -> None:
    # Differences 1, 0, 0, -1, 1: mean 0.2, variance 2.8/4 = 0.7, standard error sqrt(0.14).
    found = paired_difference([1, 0, 1, 0, 1], [0, 0, 1, 1, 0])

    half = 1.959963984540054 * math.sqrt(0.14)
    assert found == pytest.approx((0.2, 0.2 - half, 0.2 + half))


def test_the_pairing_counts() -> None:
    mine = [1.0, 0.0] * 50

    assert paired_difference(mine, mine) == (0, 0, 0)
    assert paired_difference(mine, mine[::-1]).high > 0.1


@given(scores)
def test_the_difference_to_the_other_side_is_the_opposite(values: list[float]) -> None:
    other = values[1:] + values[:1]
    there, back = paired_difference(values, other), paired_difference(other, values)

    assert there == pytest.approx((-back.mean, -back.high, -back.low))


def test_a_single_pair_decides_nothing() -> None:
    assert paired_difference([0.0], [1.0]) == (-1, -1, 1)


@pytest.mark.parametrize(("mine", "theirs"), [([], []), ([1.0], []), ([1.0], [1.0, 0.0])])
def test_runs_on_other_items_have_no_paired_difference(mine: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="needs the same items"):
        paired_difference(mine, theirs)


def test_published_gsm8k_scores_have_the_reference_intervals(references: dict[str, Any]) -> None:
    for name, known in references["gsm8k"].items():
        values = [1.0] * known["k"] + [0.0] * (known["n"] - known["k"])
        found = estimate(values)

        assert found.mean == pytest.approx(known["acc"], abs=1e-12), name
        assert found.stderr == pytest.approx(known["se_clt"], abs=1e-12), name
        assert (found.ci95_low, found.ci95_high) == pytest.approx(known["wilson"], abs=1e-9), name


def test_published_gsm8k_pairs_have_the_reference_differences(references: dict[str, Any]) -> None:
    for name, known in references["gsm8k_pairs"].items():
        pairs = [(1.0, 1.0)] * known["n11"] + [(0.0, 0.0)] * known["n00"]
        pairs += [(0.0, 1.0)] * known["n10_a_only"] + [(1.0, 0.0)] * known["n01_b_only"]
        found = paired_difference(*zip(*pairs, strict=True))

        assert found == pytest.approx((known["diff"], *known["ci95"]), abs=1e-9), name
