import pytest

from tunix_ml.contracts.export import TemplateName
from tunix_ml.evaluation.judges.prompts import judge_prompt
from tunix_ml.evaluation.judges.verdicts import parse_verdict

WORDS = judge_prompt("correctness").verdicts


def parse(reply: str, template: TemplateName | None = None) -> str | None:
    return parse_verdict(reply, WORDS, answer_template=template).verdict


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("CORRECT", "CORRECT"),
        ("INCORRECT", "INCORRECT"),
        ("The text says 5, which is expected.\n\nCORRECT\n", "CORRECT"),
        ("It is not CORRECT, since 6 is not 5.\r\n  INCORRECT  \r\n", "INCORRECT"),
        ("| CORRECT\nThat is what the text says about itself.\nINCORRECT", "INCORRECT"),
    ],
)
def test_a_verdict_is_the_last_line_alone(reply: str, verdict: str) -> None:
    assert parse(reply) == verdict


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   \n",
        "correct",
        "Correct",
        "CORRECT.",
        "**CORRECT**",
        "The text is CORRECT",
        "Verdict: CORRECT",
        "CORRECT or INCORRECT",
        "CORRECT\nbecause 2 + 3 = 5",
        "CORRECT\nINCORRECT",
        "CORRECT\n\nCORRECT",
        "INCORRECT\nNo, wait.\nCORRECT",
        "| CORRECT",
        "A",
    ],
)
def test_anything_else_is_no_verdict(reply: str) -> None:
    parsed = parse_verdict(reply, WORDS, answer_template=None)

    assert parsed.verdict is None
    assert parsed.problem
    assert parsed.problem.endswith("on the last line: expected one of CORRECT, INCORRECT")


def test_two_verdicts_are_told_from_none() -> None:
    assert str(
        parse_verdict("A\nB", judge_prompt("pairwise").verdicts, answer_template=None).problem
    ).startswith("several verdicts")
    assert str(parse_verdict("", WORDS, answer_template=None).problem).startswith("no verdict")


@pytest.mark.parametrize(
    ("template", "reply", "verdict"),
    [
        ("answer_only", "<answer>CORRECT</answer>", "CORRECT"),
        ("reasoning_tags", "<reasoning>\n5 is 5.\n</reasoning>\n<answer>CORRECT</answer>", "CORRECT"),
        ("reasoning_lines", "Reasoning:\n1. 6 is not 5.\nAnswer: INCORRECT", "INCORRECT"),
        ("answer_only", "CORRECT", None),
        ("answer_only", "<answer>CORRECT</answer><answer>CORRECT</answer>", None),
        ("answer_only", "<answer>CORRECT</answer><answer>INCORRECT</answer>", None),
        ("answer_only", "<answer>it is CORRECT</answer>", None),
        ("answer_only", "<answer></answer>", None),
        ("reasoning_lines", "Answer: CORRECT\nAnswer: CORRECT", None),
    ],
)
def test_a_model_trained_here_answers_where_its_template_has_the_answer(
    template: TemplateName, reply: str, verdict: str | None
) -> None:
    assert parse(reply, template) == verdict
