import pytest

from tunix_ml.evaluation.answers.mathematics import compare
from tunix_ml.evaluation.answers.verdict import Verdict

EQUAL = [
    (r"\frac{3}{4}", "0.75"),
    (r"\frac{3}{4}", "75/100"),
    (r"10\%", "10%"),
    ("0.5%", r"0.50\%"),
    (r"2\sqrt{5}", r"\sqrt{20}"),
    ("x^2 - 1", "(x-1)(x+1)"),
    (r"\frac{1+\sqrt{5}}{2}", r"\frac12 + \frac{\sqrt5}{2}"),
    (r"\sin^2 x + \cos^2 x", "1"),
    (r"\log_3 27", "3"),
    ("0.5x", r"\frac{x}{2}"),
    ("2^{100} - 1", "1267650600228229401496703205375"),
    ("(1, 2)", "(1.0, 2)"),
    ("(1, 2, 3)", "(1.0, 2, 3)"),
    (r"\{1, 2\}", "{2, 1}"),
    (r"4 \pm \sqrt{2}", r"4 + \sqrt2, 4 - \sqrt2"),
    ("5", "x = 5"),
    ("x = 5", "5"),
    ("5", "x = 2 + 3 = 5"),
    ("1, 2", "x = 1 or x = 2"),
    (r"x \in \{1, 2\}", r"\{1, 2\}"),
    ("y = 2x + 1", "y - 2x = 1"),
    ("x > 2", r"(2, \infty)"),
    ("x > 2", "2 < x"),
    ("x^2 + 1 = 0", "x^2 + 1 = 0"),
    ("xy = 1", r"y = \frac{1}{x}"),
    ("1 < x < 2", "1 < x < 2.0"),
    (r"(-\infty, 1) \cup (2, \infty)", r"(2, \infty) \cup (-\infty, 1)"),
    (r"90^\circ", r"\frac{\pi}{2}"),
    (r"\begin{pmatrix}1 \\ 2\end{pmatrix}", r"\begin{pmatrix}1.0 \\ 2\end{pmatrix}"),
    ("2i + 3", "3 + 2i"),
]
DIFFERENT = [
    # What math-verify alone takes for equal.
    ("10%", "10"),
    ("10%", "0.1"),
    ("10", "10%"),
    ("(1, 2)", r"\{1, 2\}"),
    (r"\{1, 2\}", "(1, 2)"),
    (r"\frac{1}{3}", ".333333"),
    (r"\frac{1}{3}", "0.3333333333333333333333"),
    (r"2\sqrt{2}", r"2 \cdot 1.414213562373095"),
    ("5", "2 + 3 = 5"),
    ("(10%, 2)", "(10, 2)"),
    (r"\{5\}", "5"),
    (r"90^\circ", "90"),
    ("1010_2", "1010"),
    # What differs.
    ("x = 5", "y = 5"),
    ("[1, 2]", "(1, 2)"),
    ("[1, 2]", "[1, 3]"),
    ("(1, 2, 3)", "(1, 3, 2)"),
    ("(1, 2, 3)", "(1, 2, 3, 4)"),
    (r"\{1, 2\}", r"\{1, 3\}"),
    (r"(2, \infty)", "x > 2"),
    (r"\sqrt{2}", "1.41421356237309504880168872420969807857"),
    (r"\frac{1}{0}", "5"),
    ("x + 1", "x + 2"),
    ("11", "5(6)"),
    ("x^2 + 1 = 0", "x^2 + 2 = 0"),
    ("x = 5", "5 = 5"),
    ("x = 5", "y = x"),
    ("x > 2", "x < 2"),
]


@pytest.mark.parametrize(("expected", "given"), EQUAL)
def test_two_expressions_of_one_value_are_equal(expected: str, given: str) -> None:
    assert compare(expected, given) == Verdict("equal", "math")


@pytest.mark.parametrize(("expected", "given"), DIFFERENT)
def test_expressions_of_other_values_or_kinds_are_different(expected: str, given: str) -> None:
    assert compare(expected, given) == Verdict("different", "math")


@pytest.mark.parametrize("text", sorted({text for pair in EQUAL for text in pair}))
def test_every_expression_equals_itself(text: str) -> None:
    assert compare(text, text).outcome == "equal"


def test_an_answer_that_cannot_be_read_is_different_and_an_expected_one_is_an_error() -> None:
    assert compare("5", "3 +") == Verdict("different", "math", "'3 +' cannot be read as mathematics")
    assert compare("3 +", "5") == Verdict(
        "error", "math", "the expected answer '3 +' cannot be read as mathematics"
    )


def test_an_answer_that_sympy_cannot_evaluate_is_different_and_an_expected_one_is_an_error() -> None:
    infinite = r"\sin(\max(\frac{1}{0}, x))"

    assert compare("5", infinite) == Verdict("different", "math", f"{infinite!r} cannot be evaluated")
    assert compare(infinite, "5") == Verdict(
        "error", "math", f"the expected answer {infinite!r} cannot be evaluated"
    )
