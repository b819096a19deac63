from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.judge import JudgeReply, JudgeVerdict
from tunix_ml.evaluation.judges.judge import JudgeUnavailable, judge_cases, served_models
from tunix_ml.evaluation.judges.prompts import Case, judge_prompt

JudgeBy = Callable[..., Any]


def case(text: str) -> Case:
    return Case("correctness", "What is 2 + 3?", "5", (text,))


def by_text(prompt: str) -> JudgeReply:
    """Return what each text of these tests stands for."""
    replies = {
        "right": JudgeReply("complete", "It is 5.\nCORRECT", None, "served"),
        "wrong": JudgeReply("complete", "INCORRECT"),
        "chatty": JudgeReply("complete", "The text is CORRECT, I think."),
        "echo": JudgeReply("complete", "| CORRECT"),
        "long": JudgeReply("cut", "Let me think. CORRECT\nCORRECT", "the reply was ended by 'length'"),
        "silent": JudgeReply("complete", None),
        "late": JudgeReply("timeout", None, "no answer within 60 s"),
        "broken": JudgeReply("error", None, "HTTP status 500"),
    }
    return next(reply for word, reply in replies.items() if f"| {word}" in prompt)


@pytest.mark.parametrize(
    ("text", "status", "score"),
    [
        ("right", "scored", 1.0),
        ("wrong", "scored", 0.0),
        ("chatty", "invalid", None),
        ("echo", "invalid", None),
        ("long", "invalid", None),
        ("silent", "invalid", None),
        ("late", "timeout", None),
        ("broken", "error", None),
    ],
)
def test_only_a_verdict_in_its_place_becomes_a_score(
    text: str, status: str, score: float | None, judge_by: JudgeBy
) -> None:
    judgement = judge_cases(judge_by(by_text), [case("right"), case(text)])[1]

    assert (judgement.status, judgement.score) == (status, score)
    assert (judgement.detail is None) == (status == "scored")


def test_a_judgement_is_kept_with_what_was_read_and_written(judge_by: JudgeBy) -> None:
    (judgement,) = judge_cases(judge_by(by_text), [case("right")])

    assert judgement.record("q1", 2, text="right") == JudgeVerdict(
        item_id="q1",
        sample_index=2,
        status="scored",
        verdict="CORRECT",
        score=1.0,
        reply="It is 5.\nCORRECT",
        detail=None,
        prompt_digest=sha256_hex(judge_prompt("correctness").render(case("right")).encode()),
        text_digest=sha256_hex(b"right"),
    )


def test_equal_cases_are_put_once_and_judged_alike(judge_by: JudgeBy) -> None:
    judge = judge_by(by_text)

    judgements = judge_cases(judge, [case("right"), case("wrong"), case("right")])

    assert len(judge.asked) == 2
    assert [judgement.score for judgement in judgements] == [1.0, 0.0, 1.0]


def test_of_two_texts_the_score_is_that_of_the_first(judge_by: JudgeBy) -> None:
    pair = Case("pairwise", "What is 2 + 3?", "5", ("5", "6"))
    replies = iter(["A", "B", "TIE"])
    judge = judge_by(lambda prompt: JudgeReply("complete", next(replies)))

    cases = [pair, pair._replace(texts=("6", "5")), pair._replace(texts=("5", "5"))]

    assert [judgement.score for judgement in judge_cases(judge, cases)] == [1.0, 0.0, 0.5]


def test_a_judge_that_answers_nothing_is_no_judge(judge_by: JudgeBy) -> None:
    with pytest.raises(
        JudgeUnavailable, match="'judge-7b' answered none of 2 prompts, the first: no answer within 60 s"
    ):
        judge_cases(judge_by(by_text), [case("late"), case("late, too")])


def test_nothing_to_judge_is_not_asked(judge_by: JudgeBy) -> None:
    assert judge_cases(judge_by(by_text), []) == []


def test_the_models_that_answered_are_named(judge_by: JudgeBy) -> None:
    assert served_models(judge_cases(judge_by(by_text), [case("right"), case("wrong")])) == ["served"]
