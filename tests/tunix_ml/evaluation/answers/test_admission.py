import time

import pytest

from tunix_ml.evaluation.answers.admission import refusal


@pytest.mark.parametrize(
    "text",
    [
        *(
            "18",
            r"\frac{1}{2}",
            "x^2 - 2x + 1",
            r"2\sqrt{3}",
            r"\{1, 2\}",
            "2^{1000}",
            "100!",
            "(3!)!",
            "5E3",
            "-5e-30",
        ),
        *(
            "sin(x)",
            "2pi",
            "sqrt(2)",
            r"\text{east}",
            r"\operatorname{lcm}(2, 3)",
            "5 or 6",
            "5 and 6",
            "e^{x^{2}}",
        ),
        *(
            r"\begin{pmatrix}1 & 2\end{pmatrix}",
            "x\n= 5",
            "0^{0}",
            "1^{999999}",
            "(2^{10})^{5}",
            r"x^{10}",
            "((((1))))",
        ),
    ],
)
def test_mathematics_is_admitted(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1" * 401, "has 401 characters"),
        ("5\0", "U+0000"),
        ("5\ud800", "U+D800"),
        ("5\u200b", "U+200B"),
        ("(" * 21 + "1" + ")" * 21, "nests 21 brackets"),
        ("9^{9^{9}}", "more than 10000 digits"),
        ("9^9^9", "more than 10000 digits"),
        ("9**9**9", "more than 10000 digits"),
        ("2^{99999}", "more than 10000 digits"),
        ("(10)^{-99999}", "more than 10000 digits"),
        (f"9^{{{'9' * 350}}}", "more than 10000 digits"),
        (f"{'9' * 350}^{{99}}", "more than 10000 digits"),
        ("1E9999", "more than 10000 digits"),
        ("9999!", "factorial of 3000"),
        (f"{'9' * 300}!", "factorial of 3000"),
        ("((9!)!)!", "factorial of a large factorial"),
        ("7!!", "'!!'"),
        ("f'(x)", "'"),
        (r"0.333\ldots", r"dots"),
        ("0.333...", "'...'"),
        ("(10)_{2}", "')_'"),
        ("5 apples", "the word 'apples'"),
        ("seat", "the word 'seat'"),
        ("__import__('os').system('id')", "'"),
        ("exec(open(x).read())", "the word 'exec'"),
    ],
)
def test_what_cannot_be_an_answer_is_refused_with_the_reason(text: str, reason: str) -> None:
    assert reason in str(refusal(text))


def test_a_word_of_the_expected_answer_may_be_used() -> None:
    assert refusal("2 abc", expected="2bac") == "holds the word 'abc'"
    assert refusal("abc^2", expected="2abc") is None


@pytest.mark.parametrize(
    "text",
    [
        "9^" * 200,
        "9!" * 200,
        "(" * 400,
        "\\text{" * 66,
        "a" * 400,
        "1e" * 200,
        "9^" + " " * 398,
        "9" + ") " * 199,
    ],
)
def test_a_refusal_costs_little(text: str) -> None:
    start = time.process_time()

    for _ in range(100):
        refusal(text)

    assert time.process_time() - start < 1
