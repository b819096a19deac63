import time

import pytest

from tunix_ml.contracts.export import TemplateName
from tunix_ml.evaluation.extract import Extraction, extract_answer, is_well_formed
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
        assert extract_answer(text, template(name)) == Extraction(answer, f"{name}.answer")


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

    assert found == Extraction(answer, "reasoning_lines.answer")


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
