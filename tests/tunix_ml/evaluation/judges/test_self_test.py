import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.judge import JudgeReply
from tunix_ml.evaluation.judges.judge import Judgement
from tunix_ml.evaluation.judges.self_test import read_self_test, self_test_cases

ITEMS = [
    EvaluationItem("q1", "2 + 2?", "4", steps=("2 + 2 = 4",)),
    EvaluationItem("q2", "1 + 3?", "4 "),
    EvaluationItem("q3", "3 + 3?", "6", unit="km"),
]


def judgement(score: float | None) -> Judgement:
    return Judgement("invalid" if score is None else "scored", None, score, JudgeReply("complete"), "", None)


def test_each_item_is_put_with_its_own_completion_and_with_the_next_ones() -> None:
    cases = self_test_cases(ITEMS, "answer_only")

    assert [(case.question, case.answer, case.texts[0]) for case in cases] == [
        ("2 + 2?", "4", "<answer>4</answer>"),
        ("1 + 3?", "4 ", "<answer>4 </answer>"),
        ("3 + 3?", "6 km", "<answer>6</answer>"),
        ("2 + 2?", "4", "<answer>4 </answer>"),
        ("1 + 3?", "4 ", "<answer>6</answer>"),
        ("3 + 3?", "6 km", "<answer>4</answer>"),
    ]


def test_rates_are_of_the_texts_that_have_a_verdict() -> None:
    found = read_self_test(ITEMS, [judgement(score) for score in (1.0, 0.0, None, 1.0, 0.0, 0.0)])

    assert (found.num_items, found.num_without_verdict) == (3, 1)
    assert found.gold_rate == 0.5
    assert found.shuffled_rate == pytest.approx(1 / 3)
    assert found.expected_shuffled_rate == pytest.approx(1 / 3)


def test_without_any_verdict_there_is_no_rate() -> None:
    found = read_self_test(ITEMS[:1], [judgement(None), judgement(None)])

    assert (found.gold_rate, found.shuffled_rate, found.num_without_verdict) == (None, None, 2)
