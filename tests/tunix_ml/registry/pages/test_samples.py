from collections.abc import Callable

import pytest

from tunix_ml.contracts.evaluation import ItemScore
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.registry.pages.samples import MOST_SHOWN, chosen_samples, sample_of, verdict_of
from tunix_ml.registry.pages.text import Excerpt

METRIC = "answer_correctness"
MakeScore = Callable[..., ItemScore]


def test_texts_that_are_not_right_come_first(make_score: MakeScore) -> None:
    scores = [make_score("a"), make_score("b", 0.0), make_score("c"), make_score("d", 0.0)]

    shown = chosen_samples(scores, {}, metric=METRIC)

    assert [(sample.item_id, sample.verdict) for sample in shown] == [
        ("b", "wrong"),
        ("d", "wrong"),
        ("a", "right"),
        ("c", "right"),
    ]


@pytest.mark.parametrize(("num_right", "num_wrong"), [(100, 100), (100, 2), (2, 100), (100, 0), (0, 100)])
def test_never_more_than_a_few_are_shown(make_score: MakeScore, num_right: int, num_wrong: int) -> None:
    scores = [make_score(f"{n:03}", float(n < num_right)) for n in range(num_right + num_wrong)]

    shown = chosen_samples(scores, {}, metric=METRIC)

    assert len(shown) == MOST_SHOWN
    assert sum(sample.verdict == "right" for sample in shown) >= min(num_right, MOST_SHOWN // 2)
    assert sum(sample.verdict == "wrong" for sample in shown) >= min(num_wrong, MOST_SHOWN // 2)


@pytest.mark.parametrize(
    ("value", "status", "verdict"),
    [
        (1.0, "scored", "right"),
        (0.0, "truncated", "wrong"),
        (0.5, "scored", "partly right"),
        (None, "missing", "no score"),
        (None, "scored", "no score"),
    ],
)
def test_a_verdict_is_a_word(make_score: MakeScore, value: float | None, status: str, verdict: str) -> None:
    assert verdict_of(make_score(value=value, status=status), METRIC) == verdict


def test_a_sample_has_the_question_and_says_what_went_wrong(make_score: MakeScore) -> None:
    score = make_score("a", 0.0, status="truncated", detail="cut after 160 tokens", extracted=None)

    sample = sample_of(score, {"a": EvaluationItem("a", "What is 2 + 3?", "5")}, metric=METRIC)

    assert sample.question == Excerpt("What is 2 + 3?", 0)
    assert sample.note == "cut at the length limit before an answer; cut after 160 tokens"
    assert sample.extracted is None


def test_a_question_that_is_gone_is_missing(make_score: MakeScore) -> None:
    assert sample_of(make_score(), {}, metric=METRIC).question is None


def test_a_missing_text_is_missing(make_score: MakeScore) -> None:
    assert sample_of(make_score(text=None, status="missing"), {}, metric=METRIC).text is None


def test_every_text_is_cut(make_score: MakeScore) -> None:
    long = "x" * 50_000
    score = make_score("a", text=long, expected=long, extracted=long, detail=long)

    sample = sample_of(score, {"a": EvaluationItem("a", long, "5")}, metric=METRIC, most_chars=100)

    assert sample.text == sample.question == Excerpt("x" * 100, 49_900)
    assert {len(sample.expected), len(sample.extracted or ""), len(sample.note)} == {200}
