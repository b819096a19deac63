import pytest

from tunix_ml.evaluation.answers.choices import chosen_label, truth_value

CHOICES = {"A": "a dog", "B": "a cat", "C": "12 - 3", "D": "I do"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "B",
            "b",
            " B ",
            "(B)",
            "[B]",
            "B.",
            "B)",
            "B:",
            "(B).",
            "(b)",
            "**B**",
            r"\text{(B)}",
            r"\boxed{B}",
        ),
        *("B) a cat", "B. A cat.", "(B) a  cat", "B: a cat", "B - a cat", "a cat", "A CAT."),
    ],
)
def test_an_option_is_named_by_its_label_or_its_text(text: str) -> None:
    assert chosen_label(text, CHOICES) == "B"


@pytest.mark.parametrize(
    "text",
    [
        *("", "E", "BB", "cat", "B cat", "A cat and a dog"),
        # Two options, or more than an option.
        *("A or B", "A, B", "A) a cat", "(A) (B)", "B) not A", "A/B", "B) because of the fur", "not B"),
    ],
)
def test_what_names_no_option_or_two_is_not_read(text: str) -> None:
    assert chosen_label(text, CHOICES) is None


def test_labels_may_be_any_text_and_the_longest_is_meant() -> None:
    choices = {"1": "one", "10": "ten", "x+y": "a sum", "10)": "odd"}

    assert [chosen_label(text, choices) for text in ("10", "1.", "x+y", "10. ten")] == [
        "10",
        "1",
        "x+y",
        "10",
    ]


def test_a_text_that_two_options_share_names_neither() -> None:
    assert chosen_label("same", {"A": "same", "B": "Same."}) is None


@pytest.mark.parametrize(
    ("text", "truth"), [("yes", True), ("True.", True), ("**NO**", False), ("false", False)]
)
def test_yes_and_no_are_truth_values(text: str, truth: bool) -> None:
    assert truth_value(text) is truth


@pytest.mark.parametrize(
    "text", ["", "1", "0", "y", "oui", "yes, it is", "yes no", "not true", "null", "right"]
)
def test_nothing_else_is_a_truth_value(text: str) -> None:
    assert truth_value(text) is None
