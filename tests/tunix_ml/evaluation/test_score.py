from typing import Any

import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import FinishReason, Prediction
from tunix_ml.evaluation.score import PredictionMismatch, score_item, score_items
from tunix_ml.exports.templates import template

TAGS = template("reasoning_tags")
ITEM = EvaluationItem("a", "What is 2 + 3?", "5", "number", ("2 + 3 = 5.",), category="sums")
WHOLE = "<reasoning>\n2 + 3 = 5.\n</reasoning>\n<answer>5</answer>"


def write(
    text: str, *, item_id: str = "a", sample_index: int = 0, finish_reason: FinishReason = "eos"
) -> Prediction:
    return Prediction(item_id, sample_index, "What is 2 + 3?\n", "", text, 9, 9, -1.5, finish_reason)


@pytest.mark.parametrize(
    ("text", "finish_reason", "scored"),
    [
        (WHOLE, "eos", ("scored", "5", 1.0, 1.0, 0.0)),
        (WHOLE.replace(">5<", ">5.0<"), "eos", ("scored", "5.0", 1.0, 1.0, 0.0)),
        (WHOLE.replace(">5<", ">6<"), "eos", ("scored", "6", 0.0, 1.0, 0.0)),
        ("<answer>5</answer>", "eos", ("scored", "5", 1.0, 0.0, 0.0)),
        # Only what stands where the answer belongs counts, however right the rest is.
        ("2 + 3 = 5", "eos", ("unparsable", None, 0.0, 0.0, 0.0)),
        ("5", "eos", ("unparsable", None, 0.0, 0.0, 0.0)),
        ("", "eos", ("unparsable", None, 0.0, 0.0, 0.0)),
        ("<reasoning>\n2 + 3 = 5.", "length", ("truncated", None, 0.0, 0.0, 1.0)),
        # An answer that stands there counts although the text went on to the limit.
        (WHOLE + "\n5\n5\n5", "length", ("scored", "5", 1.0, 0.0, 1.0)),
    ],
)
def test_a_text_is_scored_by_the_answer_it_holds(
    text: str, finish_reason: FinishReason, scored: tuple[Any, ...]
) -> None:
    score = score_item(ITEM, write(text, finish_reason=finish_reason), TAGS)

    found = (score.status, score.extracted, score.answer_correctness, score.format_valid)
    assert (*found, score.hit_max_new_tokens) == scored
    assert (score.rule is None) == (score.extracted is None)
    assert (score.expected, score.family, score.text) == ("5", "sums", text)


def test_an_item_without_a_prediction_has_no_score_at_all() -> None:
    score = score_item(ITEM, None, TAGS)

    assert score.status == "missing"
    assert score.answer_correctness is score.format_valid is score.hit_max_new_tokens is score.text is None


def test_scores_come_in_the_order_of_the_items() -> None:
    items = [EvaluationItem(name, "?", name, steps=("so",)) for name in "abc"]
    predictions = [write(f"<answer>{name}</answer>", item_id=name) for name in "cb"]

    scores = score_items(items, predictions, TAGS)

    assert [(score.item_id, score.answer_correctness) for score in scores] == [
        ("a", None),
        ("b", 1.0),
        ("c", 1.0),
    ]


def test_a_prediction_for_what_was_not_asked_is_refused() -> None:
    with pytest.raises(PredictionMismatch, match="there is a prediction for 'b', which was not asked"):
        score_items([ITEM], [write(WHOLE, item_id="b")], TAGS)


def test_two_predictions_for_one_item_are_refused() -> None:
    with pytest.raises(PredictionMismatch, match="there are two predictions for item 'a'"):
        score_items([ITEM], [write(WHOLE), write(WHOLE)], TAGS)


def test_an_item_with_samples_scores_their_mean_and_shows_the_first() -> None:
    wrong, cut = WHOLE.replace(">5<", ">6<"), "<reasoning>\n2 + 3 = 5."
    samples = [write(wrong), write(WHOLE, sample_index=1), write(WHOLE, sample_index=2)]
    samples.append(write(cut, sample_index=3, finish_reason="length"))

    (score,) = score_items([ITEM], samples[::-1], TAGS, num_samples=4)

    assert (score.answer_correctness, score.format_valid, score.hit_max_new_tokens) == (0.5, 0.75, 0.25)
    assert (score.status, score.extracted, score.text) == ("scored", "6", wrong)


def test_an_item_that_lacks_a_sample_has_no_score() -> None:
    (score,) = score_items([ITEM], [write(WHOLE), write(WHOLE, sample_index=2)], TAGS, num_samples=3)

    assert (score.status, score.answer_correctness) == ("missing", None)


@pytest.mark.parametrize(
    ("sample_index", "message"),
    [(2, "a sample 2 of item 'a', not asked for"), (0, "two predictions for item 'a', sample 0")],
)
def test_a_sample_that_was_not_asked_for_is_refused(sample_index: int, message: str) -> None:
    samples = [write(WHOLE), write(WHOLE, sample_index=sample_index)]

    with pytest.raises(PredictionMismatch, match=message):
        score_items([ITEM], samples, TAGS, num_samples=2)
