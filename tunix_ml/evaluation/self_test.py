"""The scorer's self-test: texts whose score is known, made from the very items that are scored."""

from collections.abc import Sequence

from tunix_ml.contracts.evaluation import SelfTest
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import Prediction
from tunix_ml.evaluation.score import score_items
from tunix_ml.exports.templates import Template


def run_self_test(items: Sequence[EvaluationItem], template: Template) -> SelfTest:
    """Score each item's true completion, and each item answered with the next one's.

    The share of neighbours that have the same answer anyway is what the second score may reach; it is counted
    without the scorer's own comparison, which may be what is broken.
    """
    neighbours = [*items[1:], *items[:1]]
    same = [
        item.final_answer.strip() == other.final_answer.strip()
        for item, other in zip(items, neighbours, strict=True)
    ]
    return SelfTest(
        gold_mean=_mean_score(items, items, template),
        shuffled_mean=_mean_score(items, neighbours, template),
        expected_shuffled_mean=sum(same) / len(items),
    )


def _mean_score(
    items: Sequence[EvaluationItem], answering: Sequence[EvaluationItem], template: Template
) -> float:
    predictions = [_completion(item, other, template) for item, other in zip(items, answering, strict=True)]
    scores = [score.answer_correctness or 0.0 for score in score_items(items, predictions, template)]
    return sum(scores) / len(scores)


def _completion(item: EvaluationItem, other: EvaluationItem, template: Template) -> Prediction:
    return Prediction(
        item_id=item.item_id,
        sample_index=0,
        prompt=item.prompt,
        prompt_digest="",
        text=template.completion_text(other.steps, other.final_answer),
        num_prompt_tokens=0,
        num_new_tokens=0,
        logprob=0.0,
        finish_reason="eos",
    )
