import time

import pytest

from tunix_ml.evaluation.answers.reasoning import (
    is_supported,
    reasoning_of,
    reasoning_steps,
    share_of_results_reached,
    share_of_true_claims,
)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (
            "<reasoning>\n2 + 3 = 5.\n5 * 2 = 10.\n</reasoning>\n<answer>10</answer>",
            ["2 + 3 = 5.", "5 * 2 = 10."],
        ),
        ("Reasoning:\n1. First.\n2. Second.\nAnswer: 10", ["1. First.", "2. Second."]),
        ("He has 5.\n\n---\n  So 10.\n#### 10", ["He has 5.", "So 10."]),
        ("<answer>10</answer>", []),
        ("<reasoning>\n\n</reasoning><answer>10</answer>", []),
    ],
)
def test_the_steps_are_the_lines_before_the_answer_that_say_something(text: str, steps: list[str]) -> None:
    start = max(text.rfind(mark) for mark in ("<answer>", "Answer:", "####"))

    assert reasoning_steps(reasoning_of(text, answer_start=start)) == steps


def test_a_text_without_an_answer_is_all_reasoning() -> None:
    assert reasoning_of("<reasoning>\n2 + 3 = 5.\n", answer_start=None) == "2 + 3 = 5."


def test_claims_are_right_in_part_or_absent() -> None:
    assert share_of_true_claims("2 + 3 = 5 and 5 * 2 = 11.") == 0.5
    assert share_of_true_claims("It is 5.") is None


@pytest.mark.parametrize(
    ("text", "steps", "share"),
    [
        # True results 13 and 26.
        ("16 - 3 = 13, 13 * 2 = 26", ["16 - 3 = <<16-3=13>>13", "13 * 2 = 26"], 1.0),
        ("It is 13 * 3 = 39 with 16 - 3 = 13.", ["16 - 3 = 13", "13 * 2 = 26"], 0.5),
        # The number after an equals sign is a result also where no claim can be read.
        ("eggs left = 13 and money = $26.00", ["16 - 3 = 13", "13 * 2 = 26"], 1.0),
        ("26 stands here, and so does 13", ["16 - 3 = 13", "13 * 2 = 26"], 0.0),
        # The same value counts once.
        ("1 + 1 = 2", ["1 + 1 = 2", "4 - 2 = 2", "3 * 3 = 9"], 0.5),
        ("so x = -3", ["2 - 5 = -3"], 1.0),
        ("", ["2 + 3 = 5"], 0.0),
        ("2 + 3 = 5", ["There are five."], None),
        ("2 + 3 = 5", [], None),
    ],
)
def test_the_true_steps_results_are_looked_for_among_the_texts_results(
    text: str, steps: list[str], share: float | None
) -> None:
    assert share_of_results_reached(text, steps) == share


@pytest.mark.parametrize(
    ("answer", "reasoning"),
    [
        ("18", "She makes 9 * 2 = $18.00 a day."),
        ("$1,450", "That is 1450 in all."),
        ("-3", "2 - 5 = -3"),
        ("1/2", "Half is 1/2 of it, 0.5."),
        ("5 km", "They walk 5 together."),
        ("Twelve  bags", "So there are twelve bags."),
        ("B", "It must be (B)."),
    ],
)
def test_an_answer_that_stands_in_the_reasoning_is_supported(answer: str, reasoning: str) -> None:
    assert is_supported(answer, reasoning, unit="km")


@pytest.mark.parametrize(
    ("answer", "reasoning"),
    [
        ("18", "She makes 180 or 1.8."),
        ("18", ""),
        ("cat", "a category"),
        (".", "a dot."),
        ("B", "By all means, ABBA"),
    ],
)
def test_an_answer_that_does_not_stand_there_is_not(answer: str, reasoning: str) -> None:
    assert not is_supported(answer, reasoning)


N = 100_000
HOSTILE = {
    "digits": "1" * N,
    "numbers": "1 " * (N // 2),
    "commas": "1" + ",111" * (N // 4),
    "equals": "=" * N,
    "spaced equals": "= " * (N // 2),
    "equals and spaces": ("=" + " " * 999) * (N // 1_000),
    "claims": "1+1=2 " * (N // 6),
    "annotations": "<<1+0=1>>" * (N // 9),
    "open annotations": "<<" + "1+" * (N // 2),
    "brackets": "(" * N,
    "lines": "\n" * N,
    "tags": "<reasoning>" * (N // 11),
    "accents": "é" * N,
    "powers": "²" * N,
    "nul": "\0" * N,
    "surrogates": "\ud800" * N,
    "words": "twelve " * (N // 7),
}


def read_all(text: str) -> None:
    reasoning = reasoning_of(text, answer_start=None)
    reasoning_steps(reasoning)
    share_of_true_claims(text)
    share_of_results_reached(text, ["2 + 3 = 5"])
    is_supported("18", reasoning)
    is_supported("twelve bags", reasoning)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_read_in_linear_time(name: str) -> None:
    start = time.process_time()

    read_all(HOSTILE[name])

    assert time.process_time() - start < 2


def test_a_thousand_texts_are_read_in_seconds() -> None:
    line = "Step {0}: she has {0} + {0} = {1} apples, so 3 * 4 = 12 more.\n"
    texts = ["".join(line.format(n + i, 2 * n) for i in range(9))[:500] for n in range(1_000)]
    start = time.process_time()

    for text in texts:
        read_all(text)

    assert time.process_time() - start < 4  # 0.8 s where nothing measures coverage
