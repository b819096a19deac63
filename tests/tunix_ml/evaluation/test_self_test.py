import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.evaluation.answers.extract import Extraction
from tunix_ml.evaluation.answers.verdict import Verdict
from tunix_ml.evaluation.self_test import run_self_test
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


def rule(name: TemplateName) -> AnswerRule:
    return AnswerRule(kind="template", template=name)


def items(*answers: str) -> list[EvaluationItem]:
    return [EvaluationItem(str(index), "?", answer, steps=("so",)) for index, answer in enumerate(answers)]


@pytest.mark.parametrize("name", ["reasoning_tags", "reasoning_lines", "answer_only"])
def test_true_completions_score_one_and_swapped_ones_as_chance(
    store: Store, golden: Snapshot, name: TemplateName
) -> None:
    found = run_self_test(load_evaluation_set(store, "golden-v2.test").items, rule(name))

    assert found.gold_mean == 1
    assert found.shuffled_mean == found.expected_shuffled_mean < 0.3


def test_neighbours_that_share_an_answer_are_what_chance_may_reach() -> None:
    found = run_self_test(items("5", "5", "7", "8"), rule("answer_only"))

    assert (found.gold_mean, found.shuffled_mean, found.expected_shuffled_mean) == (1, 0.25, 0.25)


@pytest.mark.parametrize(
    "found",
    [Extraction(None, None), Extraction("<answer>5</answer>", "whole")],
    ids=["one that finds no answer", "one that compares the whole text"],
)
def test_a_scorer_that_cannot_find_the_answer_is_found_out(
    monkeypatch: pytest.MonkeyPatch, found: Extraction
) -> None:
    monkeypatch.setattr("tunix_ml.evaluation.score.find_answer", lambda text, rule: found)

    assert run_self_test(items("5", "6", "7"), rule("answer_only")).gold_mean == 0


def test_a_scorer_that_calls_everything_right_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tunix_ml.evaluation.score.compare_answers", lambda pairs: [Verdict("equal", "any") for _ in pairs]
    )

    found = run_self_test(items("5", "6", "7"), rule("answer_only"))

    assert (found.shuffled_mean, found.expected_shuffled_mean) == (1, 0)
