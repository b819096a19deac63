import pytest

from tunix_ml.traces.generators import numbers

CASES = [
    (numbers.MULTIPLICATION, {"a": 34, "b": 27}, "918"),
    (numbers.DIVISION, {"dividend": 157, "divisor": 12}, "13 remainder 1"),
    (numbers.SEQUENCE, {"first": 5, "difference": 4, "position": 12}, "49"),
    (numbers.SORTING, {"numbers": [41, 700, 93, 18]}, "18, 41, 93, 700"),
    (numbers.DIGIT_SUM, {"number": 48213}, "even"),
    (numbers.DIGIT_SUM, {"number": 102}, "odd"),
]


@pytest.mark.parametrize(("family", "operands", "answer"), CASES)
def test_steps_and_recomputation_come_to_the_hand_computed_answer(family, operands, answer):
    assert family.tell(operands).final_answer == answer
    assert family.recompute(operands) == answer


def test_a_quotient_is_built_from_its_tens_and_ones():
    assert numbers.DIVISION.tell({"dividend": 157, "divisor": 12}).steps == (
        "Tens: 12 * 10 = 120.",
        "Still to divide: 157 - 120 = 37.",
        "Ones: 12 * 3 = 36.",
        "Left over: 37 - 36 = 1, less than 12.",
        "Quotient: 10 + 3 = 13, so the answer is 13 remainder 1.",
    )
