import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.evaluation.statistics.sign_flip import sign_flip_test


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        ([], 1.0),
        ([0.0, 0.0], 1.0),
        ([0.5], 1.0),  # 0.5 or -0.5: both as far from 0
        ([1.0, 1.0, 1.0], 2 / 8),  # all or none
        ([1.0, 2.0, 3.0], 2 / 8),
        ([1.0, 2.0, -3.0], 1.0),  # the sum is 0
        ([-1.0, 2.0, 3.0], 4 / 8),  # 4 and 6, either way
        ([0.1, 0.2, 0.3, 0.0], 2 / 8),
        ([0.1, 0.2, -0.3], 1.0),  # but for rounding
        ([0.3, 0.1 + 0.2 - 0.3], 1.0),  # a difference of rounding is none
    ],
)
def test_few_differences_are_counted_by_hand(differences: list[float], p_value: float) -> None:
    assert sign_flip_test(differences) == (p_value, True)


@given(st.lists(st.integers(-9, 9), max_size=9))
def test_the_exact_test_counts_every_assignment(differences: list[int]) -> None:
    signs = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(map(math.prod, zip(differences, chosen, strict=True)))) for chosen in signs]

    expected = sum(found >= abs(sum(differences)) for found in sums) / len(sums)
    assert sign_flip_test([difference / 9 for difference in differences]).p_value == pytest.approx(expected)


def distribution(multiples: list[int]) -> dict[int, float]:
    """Every sum with its probability, by convolution."""
    found = {0: 1.0}
    for multiple in multiples:
        following: dict[int, float] = {}
        for total, share in found.items():
            for signed in (total + multiple, total - multiple):
                following[signed] = following.get(signed, 0.0) + share / 2
        found = following
    return found


@pytest.mark.parametrize("num_samples", [3, 5, 8])
def test_the_sampled_test_comes_near_the_exact_one(num_samples: int) -> None:
    rng = random.Random(num_samples)
    multiples = [rng.choice([-2, -1, 0, 1, 1, 2]) for _ in range(60)]

    found = sign_flip_test([multiple / num_samples for multiple in multiples], seed=1)

    sums = distribution(multiples)
    exact = sum(share for total, share in sums.items() if abs(total) >= abs(sum(multiples)))
    # Four standard errors of 10,000 draws.
    assert found.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000))
    assert not found.is_exact


def test_differences_of_any_size_are_sampled_as_numpy_samples_them() -> None:
    differences = np.random.default_rng(3).normal(0.15, 1, 200)
    signs = np.random.default_rng(4).choice([-1.0, 1.0], (20_000, 200))
    expected = np.mean(np.abs(signs @ differences) >= abs(differences.sum()))

    assert 0.005 < expected < 0.5
    # Four standard errors of the difference of 20,000 draws and 10,000.
    tolerance = 4 * math.sqrt(expected * (1 - expected) * (1 / 20_000 + 1 / 10_000))
    assert sign_flip_test(list(differences)).p_value == pytest.approx(expected, abs=tolerance)


def test_the_same_seed_draws_the_same_flips() -> None:
    rng = random.Random(7)
    differences = [rng.gauss(0.1, 1) for _ in range(40)]

    assert sign_flip_test(differences, seed=5) == sign_flip_test(differences, seed=5)
    assert sign_flip_test(differences, seed=5) != sign_flip_test(differences, seed=6)


def test_a_sampled_p_value_is_never_0() -> None:
    assert sign_flip_test([1.0] * 500, num_flips=99) == (1 / 100, False)


def test_no_true_difference_is_rejected_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    shares = rng.binomial(4, 0.5, (400, 50)) / 4 - rng.binomial(4, 0.5, (400, 50)) / 4

    rejected = sum(sign_flip_test(list(row), num_flips=199).p_value <= 0.05 for row in shares)

    # 20 of 400 are expected; 8 to 33 hold with three standard deviations.
    assert 8 <= rejected <= 33
