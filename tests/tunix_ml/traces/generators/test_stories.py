import pytest

from tunix_ml.traces.generators import stories

SHOPPING = {
    "num_cheap": 3,
    "num_dear": 2,
    "cheap_price": 4,
    "dear_price": 15,
    "name": "Hana",
    "cheap": "rolls",
    "dear": "mugs",
    "paid": 50,
}
ELAPSED = {"start_hour": 9, "start_minute": 5, "end_hour": 11, "end_minute": 0, "event": "film"}
SHARING = {"children": 4, "first": 24, "second": 36, "name": "Hana", "things": "plums"}


@pytest.mark.parametrize(
    ("family", "operands", "answer"),
    [
        (stories.SHOPPING, SHOPPING, "8"),
        (stories.ELAPSED_TIME, ELAPSED, "115"),
        (stories.UNIT_CONVERSION, {"unit": "weeks", "whole": 3, "rest": 2}, "23"),
        (stories.EQUAL_SHARING, SHARING, "15"),
    ],
)
def test_steps_and_recomputation_come_to_the_hand_computed_answer(family, operands, answer):
    assert family.tell(operands).final_answer == answer
    assert family.recompute(operands) == answer


def test_a_clock_is_told_with_two_digits():
    assert "starts at 09:05 and ends at 11:00" in stories.ELAPSED_TIME.tell(ELAPSED).prompt


def test_a_sharing_that_does_not_come_out_even_is_not_recomputed_as_if_it_did():
    assert stories.EQUAL_SHARING.recompute(SHARING | {"first": 25}) == "15 and 1 left over"
