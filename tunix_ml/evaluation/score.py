"""Score predictions item by item."""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.evaluation import ItemScore, ItemStatus
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import Prediction
from tunix_ml.evaluation.extract import extract_answer, is_well_formed
from tunix_ml.exports.templates import Template
from tunix_ml.traces.answers import answers_equal

SCORER = "answer_correctness"
_NUMBERS = ("answer_correctness", "format_valid", "hit_max_new_tokens")


class PredictionMismatch(TunixError):
    """Predictions do not belong to the items they are scored against."""


def score_items(
    items: Sequence[EvaluationItem],
    predictions: Iterable[Prediction],
    template: Template,
    *,
    num_samples: int = 1,
) -> list[ItemScore]:
    """Return one score per item, in the items' order; an item that lacks a prediction is `missing`.

    Raises:
        PredictionMismatch: two predictions for one sample of an item, or one that was not asked for.
    """
    by_id = _by_item(items, predictions, num_samples)
    return [_score_samples(item, by_id[item.item_id], template, num_samples) for item in items]


def score_item(item: EvaluationItem, prediction: Prediction | None, template: Template) -> ItemScore:
    """Return the score of one item by one prediction."""
    if prediction is None:
        return ItemScore(
            item_id=item.item_id,
            status="missing",
            expected=item.final_answer,
            extracted=None,
            rule=None,
            answer_correctness=None,
            format_valid=None,
            hit_max_new_tokens=None,
            family=item.category,
            text=None,
        )
    extraction = extract_answer(prediction.text, template)
    was_cut = prediction.finish_reason == "length"
    is_correct = extraction.answer is not None and answers_equal(extraction.answer, item.final_answer)
    unanswered: ItemStatus = "truncated" if was_cut else "unparsable"
    return ItemScore(
        item_id=item.item_id,
        status=unanswered if extraction.answer is None else "scored",
        expected=item.final_answer,
        extracted=extraction.answer,
        rule=extraction.rule,
        answer_correctness=float(is_correct),
        format_valid=float(is_well_formed(prediction.text, template)),
        hit_max_new_tokens=float(was_cut),
        family=item.category,
        text=prediction.text,
    )


def _score_samples(
    item: EvaluationItem, samples: Mapping[int, Prediction], template: Template, num_samples: int
) -> ItemScore:
    """Return the score of an item: that of sample 0, with the mean of each number over all samples."""
    if len(samples) < num_samples:
        return score_item(item, None, template)
    scores = [score_item(item, samples[index], template) for index in range(num_samples)]
    means = {name: _mean([getattr(score, name) for score in scores]) for name in _NUMBERS}
    return msgspec.structs.replace(scores[0], **means)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _by_item(
    items: Sequence[EvaluationItem], predictions: Iterable[Prediction], num_samples: int
) -> Mapping[str, Mapping[int, Prediction]]:
    by_id: dict[str, dict[int, Prediction]] = {item.item_id: {} for item in items}
    for prediction in predictions:
        name = f"item {prediction.item_id!r}"
        if prediction.item_id not in by_id:
            raise PredictionMismatch(f"there is a prediction for {prediction.item_id!r}, which was not asked")
        if not 0 <= prediction.sample_index < num_samples:
            raise PredictionMismatch(f"there is a sample {prediction.sample_index} of {name}, not asked for")
        if prediction.sample_index in by_id[prediction.item_id]:
            raise PredictionMismatch(
                f"there are two predictions for {name}"
                + (f", sample {prediction.sample_index}" if num_samples > 1 else "")
            )
        by_id[prediction.item_id][prediction.sample_index] = prediction
    return by_id
