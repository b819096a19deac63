from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.trace import Split
from tunix_ml.datasets.splits import assign_split

SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.15, "test": 0.05}


def test_the_shares_are_kept() -> None:
    counts = Counter(assign_split(f"What is {n} + 1?", SHARES) for n in range(10_000))

    # Five standard deviations of the widest of the three binomials: sqrt(10,000 * 0.8 * 0.2) = 40.
    assert all(abs(counts[split] - 10_000 * share) < 200 for split, share in SHARES.items())


@pytest.mark.parametrize("same", ["what IS 2+3?", "  What is\n2+3?", "What is \uff12\uff0b\uff13?"])
def test_the_same_question_in_another_spelling_has_the_same_split(same: str) -> None:
    for train in (0.1, 0.3, 0.5, 0.7, 0.9):
        shares: dict[Split, float] = {"train": train, "validation": 0.0, "test": 1 - train}
        assert assign_split(same, shares) == assign_split("What is 2+3?", shares)


@given(st.text())
def test_a_split_without_a_share_stays_empty(prompt: str) -> None:
    assert assign_split(prompt, {"train": 0.5, "test": 0.5}) != "validation"
    assert assign_split(prompt, {"train": 0.0, "validation": 1.0, "test": 0.0}) == "validation"


@given(st.text(), st.floats(0, 0.8), st.floats(0, 0.2))
def test_a_larger_training_share_takes_no_prompt_out_of_training(
    prompt: str, share: float, more: float
) -> None:
    before = assign_split(prompt, {"train": share, "test": 1 - share})
    after = assign_split(prompt, {"train": share + more, "test": 1 - share - more})

    assert before == "test" or after == "train"


def test_shares_that_miss_one_by_rounding_still_give_a_split() -> None:
    assert assign_split("any", {"train": 0.0, "validation": 1e-300, "test": 0.0}) == "validation"
