"""The scorer's self-test: texts whose score is known, made from the very items that are scored."""

from collections.abc import Sequence

from tunix_ml.contracts.evaluation import SelfTest
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.metrics import PRIMARY
from tunix_ml.contracts.prediction import Prediction
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation.score import score_items
from tunix_ml.exports.templates import template


def run_self_test(items: Sequence[EvaluationItem], rule: AnswerRule) -> SelfTest:
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
        gold_mean=_mean_score(items, items, rule),
        shuffled_mean=_mean_score(items, neighbours, rule),
        expected_shuffled_mean=sum(same) / len(items),
    )


def _mean_score(
    items: Sequence[EvaluationItem], answering: Sequence[EvaluationItem], rule: AnswerRule
) -> float:
    predictions = [_completion(item, other, rule) for item, other in zip(items, answering, strict=True)]
    scores = score_items(items, predictions, _readable(rule))
    return sum(score.scores.get(PRIMARY) or 0.0 for score in scores) / len(scores)


def _readable(rule: AnswerRule) -> AnswerRule:
    """Return the rule, or the whole text for a pattern: no text can be written from one."""
    return AnswerRule(kind="whole") if rule.kind == "pattern" else rule


def _completion(item: EvaluationItem, other: EvaluationItem, rule: AnswerRule) -> Prediction:
    return Prediction(
        item_id=item.item_id,
        sample_index=0,
        prompt=item.prompt,
        prompt_digest="",
        text=_text(other, rule),
        num_prompt_tokens=0,
        num_new_tokens=0,
        logprob=0.0,
        finish_reason="eos",
    )


def _text(item: EvaluationItem, rule: AnswerRule) -> str:
    if rule.template is not None:
        return template(rule.template).completion_text(item.steps, item.final_answer)
    marks = {"boxed": ("\\boxed{", "}"), "hashes": ("#### ", "")}
    before, after = marks.get(rule.kind, ("", ""))
    return f"{before}{item.final_answer}{after}"
