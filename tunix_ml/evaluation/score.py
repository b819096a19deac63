"""Score predictions item by item."""

from collections.abc import Iterable, Mapping, Sequence

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.evaluation import ItemScore, ItemStatus
from tunix_ml.contracts.predictions import Prediction
from tunix_ml.datasets.evaluation_set import EvaluationItem
from tunix_ml.evaluation.extract import extract_answer, is_well_formed
from tunix_ml.evaluation.normalise import answers_equal
from tunix_ml.exports.templates import Template

SCORER = "answer_correctness"


class PredictionMismatch(TunixError):
    """Predictions do not belong to the items they are scored against."""


def score_items(
    items: Sequence[EvaluationItem], predictions: Iterable[Prediction], template: Template
) -> list[ItemScore]:
    """Return one score per item, in the items' order; an item without a prediction is `missing`.

    Raises:
        PredictionMismatch: two predictions for one item, or one for an item that was not asked.
    """
    by_id = _by_item(items, predictions)
    return [score_item(item, by_id.get(item.item_id), template) for item in items]


def score_item(item: EvaluationItem, prediction: Prediction | None, template: Template) -> ItemScore:
    """Return the score of one item."""
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
            family=item.family,
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
        family=item.family,
        text=prediction.text,
    )


def _by_item(items: Sequence[EvaluationItem], predictions: Iterable[Prediction]) -> Mapping[str, Prediction]:
    asked = {item.item_id for item in items}
    by_id: dict[str, Prediction] = {}
    for prediction in predictions:
        if prediction.item_id not in asked:
            raise PredictionMismatch(f"there is a prediction for {prediction.item_id!r}, which was not asked")
        if prediction.item_id in by_id:
            raise PredictionMismatch(f"there are two predictions for item {prediction.item_id!r}")
        by_id[prediction.item_id] = prediction
    return by_id
