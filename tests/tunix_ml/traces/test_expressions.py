from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.traces.expressions import NotAnExpressionError, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 - 3 - 4", -5),
        ("24 / 4 / 2", 3),
        ("-2 + 5", 3),
        ("3 - -2", None),
        ("1/3", Fraction(1, 3)),
        ("0.1 + 0.2", Fraction(3, 10)),
        (".5 x 4", 2),
        ("3 \u00d7 4 \u00f7 6 \u2212 1", 1),
        ("$1,200 + $34.50", Fraction(2469, 2)),
        ("50% * 8", 4),
        ("((((2))))", 2),
        ("0", 0),
    ],
)
def test_expressions_have_their_exact_value(text, value):
    if value is None:
        with pytest.raises(NotAnExpressionError):
            evaluate(text)
    else:
        assert evaluate(text).number == value


def test_division_by_zero_has_no_value():
    assert evaluate("1 / (2 - 2)").number is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 +",
        "+ 2",
        "- 2 + 3",
        "2 3",
        "2(3)",
        "2 ** 3",
        "2 // 3",
        "(2",
        "2)",
        "2 + x",
        "14:05",
        "007 + 1",
        "2 / 1/3",
        "__import__('os')",
        "2^3",
        "(" * 30 + "1" + ")" * 30,
        "1 + " * 200 + "1",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(NotAnExpressionError):
        evaluate(text)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8), st.data())
def test_sums_and_products_agree_with_python(numbers, data):
    operators = [data.draw(st.sampled_from(["+", "-", "*"])) for _ in numbers[1:]]
    text = str(numbers[0]) + "".join(f" {o} {n}" for o, n in zip(operators, numbers[1:], strict=True))

    assert evaluate(text).number == eval(text)
    assert evaluate(text).num_operations == len(operators)
