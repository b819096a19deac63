from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.export import TemplateName
from tunix_ml.evaluation.answers.extract import extract_answer, is_well_formed
from tunix_ml.exports.templates import template

NAMES: tuple[TemplateName, ...] = ("reasoning_tags", "reasoning_lines", "answer_only")
one_line = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@pytest.mark.parametrize(
    ("name", "prompt", "completion"),
    [
        (
            "reasoning_tags",
            "What is 2 + 3?\n",
            "<reasoning>\nAdd them.\n2 + 3 = 5.\n</reasoning>\n<answer>5</answer>",
        ),
        (
            "reasoning_lines",
            "What is 2 + 3?\n\nPlease show your reasoning steps.\n",
            "Reasoning:\n1. Add them.\n2. 2 + 3 = 5.\nAnswer: 5",
        ),
        ("answer_only", "What is 2 + 3?\n", "<answer>5</answer>"),
    ],
)
def test_a_trace_is_written_like_this(name: TemplateName, prompt: str, completion: str) -> None:
    chosen = template(name)

    assert chosen.prompt_text("What is 2 + 3?") == prompt
    assert chosen.completion_text(["Add them.", "2 + 3 = 5."], "5") == completion


@pytest.mark.parametrize("name", NAMES)
@given(steps=st.lists(one_line, min_size=1, max_size=4), answer=one_line)
def test_what_is_written_is_well_formed_and_gives_its_answer_back(
    name: TemplateName, steps: list[str], answer: str
) -> None:
    text = template(name).completion_text(steps, answer)

    assert is_well_formed(text, template(name))
    assert extract_answer(text, template(name)).answer == answer


@pytest.mark.parametrize("name", NAMES)
def test_braces_in_the_data_are_text(name: TemplateName) -> None:
    chosen = template(name)

    assert chosen.prompt_text("{question} {0} {}").startswith("{question} {0} {}\n")
    assert "{answer}{steps}" in chosen.completion_text(["{number}"], "{answer}{steps}")


@pytest.mark.parametrize("name", NAMES)
def test_prompt_and_completion_meet_at_a_line_end(name: TemplateName) -> None:
    assert template(name).prompt_text("Why?").endswith("\n")
    assert not template(name).completion_text(["a"], "b").startswith((" ", "\n"))


def test_each_template_has_its_own_digest() -> None:
    assert len({template(name).digest() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    "field",
    ["name", "prompt_format", "reasoning_format", "step_format", "answer_format", "grammar", "answer"],
)
def test_the_digest_depends_on_everything_that_decides_texts(field: str) -> None:
    chosen, other = template("reasoning_tags"), template("reasoning_lines")

    assert replace(chosen, **{field: getattr(other, field)}).digest() != chosen.digest()


@pytest.mark.parametrize(
    "text",
    [
        "<reasoning>\na\n</reasoning>\n<answer>5</answer>",
        "<reasoning>a</reasoning><answer>5</answer>",
        "<reasoning>a\n\nb</reasoning>\n\n<answer>\n5\n</answer>\n\n",
        "<reasoning>if a < b and b > c</reasoning><answer>a <b> c</answer>",
        "<reasoning>é 二 🙂</reasoning><answer>二</answer>",
    ],
)
def test_reasoning_tags_accept_each_part_once_in_order(text: str) -> None:
    assert is_well_formed(text, template("reasoning_tags"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "<answer>5</answer>",
        "<reasoning>a</reasoning>",
        "<reasoning></reasoning><answer>5</answer>",
        "<reasoning> \n</reasoning><answer>5</answer>",
        "<reasoning>a</reasoning><answer></answer>",
        "<reasoning>a</reasoning><answer> \n </answer>",
        "<answer>5</answer><reasoning>a</reasoning>",
        "<reasoning>a</reasoning><answer>5",
        "<reasoning>a</reasoning><answer>5</answer",
        "<reasoning>a<answer>5</answer>",
        "<reasoning>a</reasoning>so<answer>5</answer>",
        "well <reasoning>a</reasoning><answer>5</answer>",
        "\n<reasoning>a</reasoning><answer>5</answer>",
        "<reasoning>a</reasoning><answer>5</answer> done",
        "<reasoning>a</reasoning><answer>5</answer><answer>5</answer>",
        "<reasoning>a</reasoning><reasoning>a</reasoning><answer>5</answer>",
        "<reasoning><reasoning>a</reasoning></reasoning><answer>5</answer>",
        "<reasoning>a</reasoning><answer><answer>5</answer></answer>",
        "<reasoning>a<answer>5</answer></reasoning><answer>5</answer>",
        "<reasoning>a</reasoning><answer><reasoning>5</answer>",
        "<Reasoning>a</Reasoning><answer>5</answer>",
        "<reasoning >a</reasoning><answer>5</answer>",
        "<think>a</think><answer>5</answer>",
        "Reasoning:\n1. a\nAnswer: 5",
    ],
)
def test_reasoning_tags_reject_near_misses(text: str) -> None:
    assert not is_well_formed(text, template("reasoning_tags"))


@pytest.mark.parametrize(
    "text",
    [
        "Reasoning:\n1. a\nAnswer: 5",
        "Reasoning:\n1. a\n2. b\nAnswer: twelve bags, 3 left over\n",
        "Reasoning:\n1. the Answer: is near\nAnswer:5",
    ],
)
def test_reasoning_lines_accept_steps_and_then_the_answer(text: str) -> None:
    assert is_well_formed(text, template("reasoning_lines"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Answer: 5",
        "Reasoning:\nAnswer: 5",
        "Reasoning:\n\nAnswer: 5",
        "Reasoning:\n1. a\n",
        "Reasoning:\n1. a\nAnswer:",
        "Reasoning:\n1. a\nAnswer:  \n",
        "Reasoning:\n1. a Answer: 5",
        "Reasoning: 1. a\nAnswer: 5",
        "Reasoning:\n1. a\nAnswer: 5\nAnswer: 6",
        "Reasoning:\n1. a\nAnswer: 5\nand so on",
        "Reasoning:\n1. a\nanswer: 5",
        "First\nReasoning:\n1. a\nAnswer: 5",
        "<reasoning>a</reasoning><answer>5</answer>",
    ],
)
def test_reasoning_lines_reject_near_misses(text: str) -> None:
    assert not is_well_formed(text, template("reasoning_lines"))


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("<answer>5</answer>", True),
        ("<answer>5</answer>\n", True),
        ("<answer> </answer>", False),
        ("<answer></answer>", False),
        ("5", False),
        ("<answer>5", False),
        ("<answer>5</answer><answer>5</answer>", False),
        ("a <answer>5</answer>", False),
        ("<reasoning>a</reasoning><answer>5</answer>", False),
    ],
)
def test_answer_only_is_one_answer_and_nothing_else(text: str, is_kept: bool) -> None:
    assert is_well_formed(text, template("answer_only")) is is_kept
