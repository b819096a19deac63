import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.statistics.power import items_needed, minimum_detectable_effect

# Quantiles of 0.975 and 0.8: 1.959964 + 0.841621.
QUANTILES = 2.8015852


def test_a_minimum_detectable_effect_by_hand() -> None:
    assert minimum_detectable_effect(sd=0.5, n=100) == pytest.approx(QUANTILES * 0.05, rel=1e-7)


def test_the_number_of_items_by_hand() -> None:
    # (2.8015852 * 0.5 / 0.05)^2 = 784.9
    assert items_needed(effect=0.05, sd=0.5) == items_needed(effect=-0.05, sd=0.5) == 785
    assert items_needed(effect=0.05, sd=0.0) == 1


@given(st.floats(0.01, 2), st.integers(2, 5_000), st.floats(0.001, 0.3), st.floats(0.4, 0.99))
def test_the_two_say_the_same(sd: float, n: int, alpha: float, power: float) -> None:
    effect = minimum_detectable_effect(sd=sd, n=n, alpha=alpha, power=power)

    assert items_needed(effect=effect, sd=sd, alpha=alpha, power=power) in {n, n + 1}  # but for rounding
    expected = (stats.norm.isf(alpha / 2) + stats.norm.ppf(power)) * sd / math.sqrt(n)
    assert effect == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: items_needed(effect=0.1, sd=math.inf), "standard deviation inf"),
        (lambda: items_needed(effect=0.0, sd=1.0), "no number of items shows a difference of 0.0"),
        (lambda: items_needed(effect=math.nan, sd=1.0), "a difference of nan"),
        (lambda: items_needed(effect=0.1, sd=-1.0), "standard deviation -1.0 over"),
        (lambda: minimum_detectable_effect(sd=1.0, n=0), "over 0 items"),
        (lambda: minimum_detectable_effect(sd=1.0, n=9, alpha=0.0), "alpha is 0.0, expected"),
        (lambda: minimum_detectable_effect(sd=1.0, n=9, power=1.0), "power is 1.0, expected"),
    ],
)
def test_what_has_no_answer_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        call()


def test_reference_designs_need_the_reference_items(references: dict[str, Any]) -> None:
    known = references["power"]
    designs = {
        "n_delta003_w2_1_9": math.sqrt(1 / 9),
        "n_with_sigma": math.sqrt(1 / 9 + 2 / 6),
        "n_with_sigma_K10": math.sqrt(1 / 9 + 2 / 6 / 10),  # ten samples an item
    }

    for name, sd in designs.items():
        assert items_needed(effect=0.03, sd=sd) == math.ceil(known[name]), name
        assert minimum_detectable_effect(sd=sd, n=known[name]) == pytest.approx(0.03, rel=1e-9), name
    assert minimum_detectable_effect(sd=0.5, n=100) == pytest.approx(known["mde_n100_w2_quarter"], rel=1e-9)


def test_published_gsm8k_pairs_have_the_reference_effects(references: dict[str, Any]) -> None:
    for name, known in references["power"]["mde_gsm8k_n1319"].items():
        sd = references["gsm8k_pairs"][name]["se_paired"] * math.sqrt(1319)

        assert minimum_detectable_effect(sd=sd, n=1319) == pytest.approx(known, rel=1e-9), name
