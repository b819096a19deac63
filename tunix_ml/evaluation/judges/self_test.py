"""The self-test of a judge: texts whose verdict is known, made from the very items that are judged."""

from collections.abc import Sequence

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.judge import JudgeSelfTest
from tunix_ml.evaluation.judges.judge import Judgement
from tunix_ml.evaluation.judges.prompts import Case, correctness_case
from tunix_ml.exports.templates import template


def self_test_cases(items: Sequence[EvaluationItem], template_name: TemplateName) -> list[Case]:
    """Return each item with its true completion, and then each with the next one's."""
    return [
        correctness_case(item, _completion(answering, template_name))
        for answered in (items, _neighbours(items))
        for item, answering in zip(items, answered, strict=True)
    ]


def read_self_test(items: Sequence[EvaluationItem], judgements: Sequence[Judgement]) -> JudgeSelfTest:
    """Return what a judge said of the cases of some items."""
    scores = [judgement.score for judgement in judgements]
    same = [
        item.final_answer.strip() == other.final_answer.strip()
        for item, other in zip(items, _neighbours(items), strict=True)
    ]
    return JudgeSelfTest(
        num_items=len(items),
        num_without_verdict=scores.count(None),
        gold_rate=_mean(scores[: len(items)]),
        shuffled_rate=_mean(scores[len(items) :]),
        expected_shuffled_rate=sum(same) / len(items),
    )


def _neighbours(items: Sequence[EvaluationItem]) -> list[EvaluationItem]:
    return [*items[1:], *items[:1]]


def _completion(item: EvaluationItem, template_name: TemplateName) -> str:
    return template(template_name).completion_text(item.steps, item.final_answer)


def _mean(scores: Sequence[float | None]) -> float | None:
    found = [score for score in scores if score is not None]
    return sum(found) / len(found) if found else None
