from typing import Any

import pytest

from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import FinishReason, Prediction
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation.score import JudgedScore, PredictionMismatch, score_items, score_verdicts

TAGS = AnswerRule(kind="template", template="reasoning_tags")
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
    (score,) = score_items([ITEM], [write(text, finish_reason=finish_reason)], TAGS)

    names = ("answer_correctness", "format_valid", "hit_max_new_tokens")
    assert (score.status, score.extracted, *(score.scores[name] for name in names)) == scored
    assert (score.expected, score.category, score.text) == ("5", "sums", text)
    assert score.text_digest == sha256_hex(text.encode())


def test_an_item_without_a_prediction_has_no_score_at_all() -> None:
    (score,) = score_items([ITEM], [], TAGS)

    assert (score.status, score.scores, score.text) == ("missing", {}, None)


def test_scores_come_in_the_order_of_the_items() -> None:
    items = [EvaluationItem(name, "?", name, steps=("so",)) for name in "abc"]
    predictions = [write(f"<answer>{name}</answer>", item_id=name) for name in "cb"]

    scores = score_items(items, predictions, TAGS)

    assert [(score.item_id, score.scores.get("answer_correctness")) for score in scores] == [
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


def test_every_sample_of_an_item_has_its_own_score() -> None:
    wrong, cut = WHOLE.replace(">5<", ">6<"), "<reasoning>\n2 + 3 = 5."
    samples = [write(wrong), write(WHOLE, sample_index=1)]
    samples.append(write(cut, sample_index=2, finish_reason="length"))

    scores = score_items([ITEM], samples[::-1], TAGS, num_samples=4)

    assert [(score.sample_index, score.status, score.extracted) for score in scores] == [
        (0, "scored", "6"),
        (1, "scored", "5"),
        (2, "truncated", None),
        (3, "missing", None),
    ]
    assert [score.scores.get("answer_correctness") for score in scores] == [0.0, 1.0, 0.0, None]


@pytest.mark.parametrize(
    ("sample_index", "message"),
    [(2, "a sample 2 of item 'a', not asked for"), (0, "two predictions for item 'a', sample 0")],
)
def test_a_sample_that_was_not_asked_for_is_refused(sample_index: int, message: str) -> None:
    samples = [write(WHOLE), write(WHOLE, sample_index=sample_index)]

    with pytest.raises(PredictionMismatch, match=message):
        score_items([ITEM], samples, TAGS, num_samples=2)


def test_a_judge_decides_by_what_it_said_and_an_unclear_verdict_is_its_error() -> None:
    items = [EvaluationItem(name, "?", name) for name in "abc"]
    verdicts = {("a", 0): JudgedScore(1.0, "CORRECT"), ("b", 0): JudgedScore(None, "perhaps")}

    scores = score_verdicts(items, verdicts, texts={("a", 0): "so a"}, metric="judged_correct")

    assert [(score.status, score.scores) for score in scores] == [
        ("scored", {"judged_correct": 1.0}),
        ("error", {}),
        ("missing", {}),
    ]
    assert scores[1].detail == "the verdict 'perhaps' stands for no score"
