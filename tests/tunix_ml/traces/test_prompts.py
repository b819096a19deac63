import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.traces.prompts import normalise_prompt, prompt_fraction


@pytest.mark.parametrize(
    "prompt",
    ["What  is 2 + 2?", " what is 2 + 2?\n", "WHAT IS 2 + 2?", "What is \uff12 + 2?", "What\tis\u00a02 + 2?"],
)
def test_prompts_that_differ_in_case_width_and_white_space_are_the_same_question(prompt):
    assert normalise_prompt(prompt) == "what is 2 + 2?"


def test_prompts_that_differ_in_a_number_are_different_questions():
    assert normalise_prompt("What is 2 + 2?") != normalise_prompt("What is 2 + 3?")


def test_the_fraction_is_the_start_of_the_sha256():
    start = hashlib.sha256(b"what is 2 + 2?").hexdigest()[:16]

    assert prompt_fraction("What is 2 + 2?") == pytest.approx(int(start, 16) / 2**64, abs=2**-52)


@given(st.text())
def test_the_fraction_lies_in_the_unit_interval_and_depends_on_the_normalised_prompt(prompt):
    fraction = prompt_fraction(prompt)

    assert 0 <= fraction < 1
    assert fraction == prompt_fraction(f"  {prompt} ")
