import itertools
import re
from fractions import Fraction
from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.statistics.samples import majority_at_k, pass_at_k

draws = st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
votes = st.lists(st.sampled_from([None, "4", "5", "6"]), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("n", "c", "k", "share"),
    # By hand: 1 - C(n - c, k) / C(n, k).
    [
        (4, 1, 2, 1 - 3 / 6),
        (4, 2, 2, 1 - 1 / 6),
        (4, 0, 4, 0.0),
        (4, 1, 4, 1.0),
        (5, 3, 1, 0.6),
        (1, 1, 1, 1.0),
    ],
)
def test_pass_at_k_by_hand(n: int, c: int, k: int, share: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(share)


@given(draws)
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(draw: tuple[int, int, int]) -> None:
    n, c, k = draw
    exact = 1 - Fraction(comb(n - c, k), comb(n, k))

    assert pass_at_k(n, c, k) == pytest.approx(float(exact), rel=1e-9, abs=1e-12)


def test_pass_at_1_is_the_share_of_right_samples() -> None:
    assert [pass_at_k(8, c, 1) for c in range(9)] == pytest.approx([c / 8 for c in range(9)])


@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        (4, 2, 5, "pass@5 needs 1 to 4 of the 4 samples"),
        (4, 2, 0, "pass@0 needs"),
        (4, 5, 1, "5 of 4 samples are right"),
        (4, -1, 1, "-1 of 4 samples are right"),
    ],
)
def test_what_cannot_be_drawn_is_refused(n: int, c: int, k: int, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        pass_at_k(n, c, k)


@pytest.mark.parametrize(
    ("answers", "share"),
    [
        (["4", "4", "5"], 1.0),
        (["5", "4", "5"], 0.0),
        (["4", "5"], 0.5),
        (["4", "5", "6"], 1 / 3),
        (["5", "6", "6", "5", "4"], 0.0),
        ([None, None, "4"], 1.0),  # no answer is no vote
        ([None, None], 0.0),
        (["4"], 1.0),
    ],
)
def test_the_majority_by_hand(answers: list[str | None], share: float) -> None:
    assert majority_at_k(answers, [answer == "4" for answer in answers]) == pytest.approx(share)


@given(votes)
def test_the_majority_does_not_depend_on_the_order(answers: list[str | None]) -> None:
    shares = {
        majority_at_k(list(order), [answer == "4" for answer in order])
        for order in itertools.islice(itertools.permutations(answers), 50)
    }

    assert len(shares) == 1


def test_an_answer_of_different_verdicts_counts_with_their_share() -> None:
    assert majority_at_k(["4", "4", "5"], [True, False, False]) == 0.5
    assert majority_at_k(["4", "4", "5", "5"], [True, False, True, True]) == 0.75


@pytest.mark.parametrize(("answers", "verdicts"), [([], []), (["4"], []), ([], [True])])
def test_each_sample_needs_its_verdict(answers: list[str | None], verdicts: list[bool]) -> None:
    with pytest.raises(ContractError, match="each sample needs its verdict"):
        majority_at_k(answers, verdicts)


def test_pass_at_k_has_the_reference_values(references: dict[str, Any]) -> None:
    for name, known in references["pass_at_k"].items():
        n, c, k = map(int, re.findall(r"\d+", name))

        assert pass_at_k(n, c, k) == pytest.approx(known["comb"], rel=1e-9, abs=1e-15), name
        assert pass_at_k(n, c, k) == pytest.approx(known["hypergeom"], rel=1e-9, abs=1e-15), name


def test_the_majority_of_all_samples_has_the_reference_value(references: dict[str, Any]) -> None:
    answers = ["A"] * 5 + ["B"] * 3 + ["C"] * 2
    known = references["maj_at_k_fractional_ties"]["counts A5,B3,C2 gold A"]["10"]

    assert majority_at_k(answers, [answer == "A" for answer in answers]) == known
