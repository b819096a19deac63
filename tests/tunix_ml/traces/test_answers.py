from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.traces.answers import normalise_text, parse_number

any_answer = st.one_of(
    st.text(), st.from_regex(r"[-+$]?\d{1,4}(,\d{3})?(\.\d{1,2})?(/\d)?%?\.?", fullmatch=True)
)


def meant(text: str) -> object:
    """What two spellings of one answer have in common."""
    return parse_number(text) or normalise_text(text)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("18", Fraction(18), ""),
        (" 18\n", Fraction(18), ""),
        ("18.", Fraction(18), ""),
        ("18.0", Fraction(18), ""),
        ("018", Fraction(18), ""),
        ("$18", Fraction(18), ""),
        ("€ 18.50", Fraction(37, 2), ""),
        (".5", Fraction(1, 2), ""),
        ("1,450", Fraction(1450), ""),
        ("1450.", Fraction(1450), ""),
        ("1,234,567.25", Fraction(123456725, 100), ""),
        ("-3", Fraction(-3), ""),
        ("+3", Fraction(3), ""),
        ("\u22123", Fraction(-3), ""),  # minus sign
        ("\u20133", Fraction(-3), ""),  # en dash
        ("-$3", Fraction(-3), ""),
        ("$-3", Fraction(-3), ""),
        ("-0", Fraction(0), ""),
        ("10%", Fraction(10), "%"),
        ("10 %", Fraction(10), "%"),
        ("1/3", Fraction(1, 3), ""),
        ("-2/6", Fraction(-1, 3), ""),
        ("\u0663", Fraction(3), ""),  # Arabic-Indic three
        ("\uff11\uff18", Fraction(18), ""),  # full-width 18
    ],
)
def test_a_number_has_its_exact_value(text: str, value: Fraction, unit: str) -> None:
    assert parse_number(text) == (value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "$",
        "%",
        "1,45",
        "14,50",
        ",450",
        "1,4500",
        "1 450",
        "3/0",
        "0/0",
        "1.5/2",
        "1/2/3",
        "1/-3",
        "--3",
        "-$-3",
        "1e3",
        "0x10",
        "NaN",
        "Infinity",
        "1.2.3",
        "18..",
        "18 apples",
        "x = 18",
        "18-20",
        "10\u00b2",  # ten squared
        "1\u00bd",  # one and a half
        "1" * 201,
        "9" * 5_000,
    ],
)
def test_what_is_not_one_plain_number_has_no_value(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("18.0", "18"),
        ("$1,450.00", "1450"),
        ("\u22123", "-3"),
        ("2/6", "1/3"),
        ("0.5", "1/2"),
        ("10 %", "10%"),
        ("Twelve  bags.", "twelve bags"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ufb01ve", "FIVE"),
        ("stra\u00dfe", "STRASSE"),
        ("NaN", "nan"),
        ("1" * 300, "1" * 300),
        ("10\u00b2", "10\u00b2"),
        ("", ""),
    ],
)
def test_two_spellings_of_one_answer_are_equal(given: str, expected: str) -> None:
    assert meant(given) == meant(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("18", "81"),
        ("18", "18 apples"),
        ("10%", "10"),
        ("10%", "0.1"),
        ("0.333", "1/3"),
        ("0.1", "0.10000000000000001"),
        ("1,45", "145"),
        ("1,45", "1.45"),
        ("3/0", "0"),
        ("1e3", "1000"),
        ("NaN", "0"),
        ("-3", "3"),
        ("10\u00b2", "102"),
        ("1\u00bd", "11/2"),
        ("", "0"),
        ("a b", "ab"),
        ("1" * 300, "1" * 301),
    ],
)
def test_different_answers_are_not_equal(given: str, expected: str) -> None:
    assert meant(given) != meant(expected)


@given(any_answer)
def test_space_around_an_answer_does_not_matter(answer: str) -> None:
    assert meant(f"  {answer}\n") == meant(answer)


@given(st.integers(-(10**9), 10**9), st.integers(0, 4))
def test_grouping_and_trailing_zeros_never_change_a_number(value: int, num_zeros: int) -> None:
    spelled = f"{value:,}" + ("." + "0" * num_zeros if num_zeros else "")

    assert parse_number(spelled) == (Fraction(value), "")


def test_texts_are_compared_without_case_spacing_and_a_final_full_stop() -> None:
    assert normalise_text("  Twelve\n BAGS , 3 left over. ") == "twelve bags , 3 left over"
