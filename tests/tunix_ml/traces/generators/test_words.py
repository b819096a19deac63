import pytest

from tunix_ml.traces.generators import words


@pytest.mark.parametrize(
    ("family", "operands", "answer"),
    [
        (words.LETTER_COUNT, {"word": "saddle", "letter": "d"}, "2"),
        (words.WORD_REPETITION, {"word": "saddle", "times": 3}, "saddle saddle saddle"),
        (words.WORD_REVERSAL, {"word": "saddle"}, "elddas"),
    ],
)
def test_steps_and_recomputation_come_to_the_hand_computed_answer(family, operands, answer):
    problem = family.tell(operands)

    assert problem.final_answer == family.recompute(operands) == answer
    assert answer in problem.steps[-1]


def test_letters_are_counted_one_by_one():
    assert words.LETTER_COUNT.tell({"word": "saddle", "letter": "d"}).steps == (
        "The letters of saddle are s, a, d, d, l, e.",
        "Letter 3 is d: 0 + 1 = 1.",
        "Letter 4 is d: 1 + 1 = 2.",
    )
