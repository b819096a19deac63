from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.traces.generators.columns import COLUMN_ADDITION, add_columns, read_off, subtract_columns

NUMBERS = st.integers(0, 99_999)


@given(NUMBERS, NUMBERS)
def test_the_columns_of_a_sum_spell_the_sum(first, second):
    assert read_off(add_columns(first, second)) == first + second


@given(NUMBERS, NUMBERS)
def test_the_columns_of_a_difference_spell_the_difference(first, second):
    larger, smaller = max(first, second), min(first, second)

    assert read_off(subtract_columns(larger, smaller)) == larger - smaller


def test_a_borrow_goes_on_over_a_zero():
    ones, tens, hundreds = subtract_columns(400, 7)

    assert (ones.top, ones.outgoing) == (10, 1)
    assert (tens.top, tens.incoming, tens.written) == (10, 1, 9)
    assert (hundreds.top, hundreds.incoming, hundreds.written) == (4, 1, 3)


def test_column_addition_is_told_from_the_ones_up():
    problem = COLUMN_ADDITION.tell({"a": 58, "b": 67})

    assert problem.steps == (
        "Ones: 8 + 7 + 0 = 15, write 5 and carry 1.",
        "Tens: 5 + 6 + 1 = 12, write 12.",
        "So 58 + 67 = 125.",
    )
    assert problem.final_answer == COLUMN_ADDITION.recompute({"a": 58, "b": 67}) == "125"
