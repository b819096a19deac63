import time

import pytest

from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation.answers.extract import (
    Extraction,
    extract_answer,
    find_answer,
    is_recoverable,
    is_well_formed,
)
from tunix_ml.exports.templates import template


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<reasoning>\n2 + 3 = 5.\n</reasoning>\n<answer>5</answer>", "5"),
        ("<answer>\n 12 bags,\n3 left over \n</answer>", "12 bags,\n3 left over"),
        ("I say <answer>5</answer> and stop.", "5"),
        # The last one counts.
        ("<answer>4</answer> no, <answer>5</answer>", "5"),
        ("<answer>5</answer><answer>  </answer>", "5"),
        ("<answer>4</answer><answer>5", "4"),
        # Nested and repeated tags: the innermost whole pair.
        ("<answer><answer>5</answer></answer>", "5"),
        ("<answer>4<answer>5</answer>", "5"),
        ("<answer>5</answer></answer>", "5"),
        ("<answer><answer>5</answer>6</answer>", "5"),
        ("<answer>a < b</answer>", "a < b"),
        ("<answer><b>5</b></answer>", "<b>5</b>"),
    ],
)
def test_the_answer_is_what_stands_in_the_last_pair_of_tags(text: str, answer: str) -> None:
    for name in ("reasoning_tags", "answer_only"):
        assert extract_answer(text, template(name))[:2] == (answer, f"{name}.answer")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Reasoning:\n1. 2 + 3 = 5.\nAnswer: 5", "5"),
        ("Answer:5", "5"),
        ("Answer: \t twelve bags \t\n", "twelve bags"),
        ("Answer: 5\r\nAnswer: 6\r\n", "6"),
        ("Answer: 4\nno\nAnswer: 5\nAnswer:\n", "5"),
        ("Answer: the Answer: 5", "the Answer: 5"),
    ],
)
def test_the_answer_is_what_stands_on_the_last_answer_line(text: str, answer: str) -> None:
    found = extract_answer(text, template("reasoning_lines"))

    assert found[:2] == (answer, "reasoning_lines.answer")


def test_an_answer_is_found_at_the_mark_that_shows_it() -> None:
    text = "<answer>4</answer>\nno\n<answer> 5</answer>"

    found = extract_answer(text, template("reasoning_tags"))

    assert found.start == text.index("<answer> 5")


@pytest.mark.parametrize(
    ("rule", "text", "answer", "label"),
    [
        (AnswerRule(kind="template", template="reasoning_lines"), "Answer: 5", "5", "reasoning_lines.answer"),
        (AnswerRule(kind="pattern", pattern=r"(?m)^A: (.*)$"), "A: 4\nB: 6\nA: 5 \nso", "5", "pattern"),
        (AnswerRule(kind="pattern", pattern=r"x(\d)?"), "x5 x", "5", "pattern"),
        (AnswerRule(kind="whole"), " twelve\nbags ", "twelve\nbags", "whole"),
        (AnswerRule(kind="hashes"), "9 * 2 = 18\n#### 18\n", "18", "hashes"),
        (AnswerRule(kind="hashes"), "####17\n  #### 18 \r\nmore\n####", "18", "hashes"),
        (AnswerRule(kind="boxed"), r"so \boxed{18}.", "18", "boxed"),
        (AnswerRule(kind="boxed"), r"\boxed{\frac{1}{2}} or \boxed {\{1, 2\}}", r"\{1, 2\}", "boxed"),
        (AnswerRule(kind="boxed"), r"\boxed{4, no, \boxed{5}", "5", "boxed"),
        (AnswerRule(kind="boxed"), r"\boxed{\boxed{5}}", r"\boxed{5}", "boxed"),
        (AnswerRule(kind="boxed"), r"} \boxed{a\\} {", "a\\\\", "boxed"),
        (AnswerRule(kind="boxed"), r"\boxed{5} \boxed{ }", "5", "boxed"),
    ],
)
def test_a_rule_says_where_the_answer_stands(rule: AnswerRule, text: str, answer: str, label: str) -> None:
    found = find_answer(text, rule)

    assert found[:2] == (answer, label)
    assert found.start is not None
    assert answer in text[found.start :]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (AnswerRule(kind="pattern", pattern=r"(?m)^A: (.*)$"), "The A: 5\nA: \nA:5"),
        (AnswerRule(kind="whole"), " \n"),
        (AnswerRule(kind="hashes"), "so #### 18\n####\n##### 18"),
        (AnswerRule(kind="boxed"), r"\boxed{18 \boxed5 boxed{5} \fbox{5} {5}"),
    ],
)
def test_a_rule_guesses_nothing(rule: AnswerRule, text: str) -> None:
    assert find_answer(text, rule) == Extraction(None, None, None)


@pytest.mark.parametrize(
    "text",
    ["<answer>5</answer>", "so\nAnswer: 5", "#### 5", r"it is \boxed{5}", "<reasoning><answer>5</answer>"],
)
def test_an_answer_is_recoverable_from_any_known_mark(text: str) -> None:
    assert is_recoverable(text)


@pytest.mark.parametrize("text", ["", "5", "The answer is 5.", "<answer>5", "Answer:", r"\boxed{}", "####"])
def test_an_answer_without_a_mark_is_not_recoverable(text: str) -> None:
    assert not is_recoverable(text)


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 15_000,
        r"\boxed{5" * 12_000 + "}" * 12_000,
        r"\boxed" + " " * 100_000,
        "{" * 100_000,
        "#### " * 20_000,
        "####\n" * 20_000,
    ],
)
def test_a_hostile_text_is_searched_in_linear_time(text: str) -> None:
    start = time.process_time()

    for rule in (AnswerRule(kind="boxed"), AnswerRule(kind="hashes"), AnswerRule(kind="whole")):
        find_answer(text, rule)
    is_recoverable(text)

    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reasoning_tags", text)
        for text in (
            "",
            "5",
            "2 + 3 = 5",
            "The answer is 5.",
            "Answer: 5",
            "#### 5",
            "\\boxed{5}",
            "<reasoning>2 + 3 = 5.</reasoning>",
            "<answer></answer>",
            "<answer> \n </answer>",
            "<answer>5",
            "5</answer>",
            "</answer>5<answer>",
            "<Answer>5</Answer>",
            "<answer >5</answer>",
            "<answer>5</answer",
        )
    ]
    + [
        ("reasoning_lines", text)
        for text in (
            "",
            "5",
            "<answer>5</answer>",
            "The Answer: 5",
            "answer: 5",
            "Answer:",
            "Answer:\n5",
            " Answer: 5",
        )
    ],
)
def test_nothing_is_guessed(name: TemplateName, text: str) -> None:
    assert extract_answer(text, template(name)) == Extraction(None, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reasoning_tags", "<answer>" + "\n" * 5_000),
        ("reasoning_tags", "<answer>" * 5_000),
        ("reasoning_tags", "<reasoning>" + " a" * 5_000),
        ("reasoning_lines", "Answer: a" + " " * 5_000 + "b" + " " * 5_000),
        ("reasoning_lines", "Reasoning:\n" + "a \n" * 5_000 + "Answer:\n" * 5_000),
    ],
)
def test_a_model_that_repeats_itself_does_not_hang_the_scorer(name: TemplateName, text: str) -> None:
    start = time.process_time()

    extract_answer(text, template(name))
    is_well_formed(text, template(name))

    assert time.process_time() - start < 2  # a backtracking pattern takes minutes, a sound one milliseconds
