import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.evaluation.answers.latex import closing_brace, plain, plain_fraction, unwrapped


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("18", "18"),
        (" 18 \n", "18"),
        ("$18$", "18"),
        ("$$18$$", "18"),
        (r"\(18\)", "18"),
        (r"\[ 18 \]", "18"),
        (r"\boxed{18}", "18"),
        (r"\boxed {\frac{1}{2}}", r"\frac{1}{2}"),
        (r"$\boxed{18}$", "18"),
        (r"\text{east}", "east"),
        (r"\textbf{(B)}", "(B)"),
        ("**18**", "18"),
        ("`18`", "18"),
        ("$18$.", "18"),
        ("18.", "18."),
        # Only what encloses the whole text.
        ("$18", "$18"),
        ("$1$ or $2$", "$1$ or $2$"),
        (r"\boxed{1} or \boxed{2}", r"\boxed{1} or \boxed{2}"),
        (r"\boxed{18", r"\boxed{18"),
        (r"\(1\) and \(2\)", r"\(1\) and \(2\)"),
        ("2**3", "2**3"),
        ("", ""),
    ],
)
def test_what_encloses_an_answer_is_taken_away(text: str, inside: str) -> None:
    assert unwrapped(text) == inside


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\$1{,}450", "$1,450"),
        (r"18\%", "18%"),
        (r"1\,234\,567", "1234567"),
        (r"1\!000", "1000"),
        (r"1\,00", "1 00"),
        (r"18\text{ apples}", "18 apples"),
        (r"5 \mathrm{km}", "5 km"),
        (r"90^\circ", "90°"),
        (r"90^{\circ}", "90°"),
        (r"\left\{1,\ 2\right\}", "{1, 2}"),
        (r"1~km", "1 km"),
        # A formula stays one.
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        (r"\leftarrow", r"\leftarrow"),
        ("a_{1}", "a_{1}"),
    ],
)
def test_plain_signs_are_written_plainly(text: str, written: str) -> None:
    assert plain(text) == written


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        (r"\frac{3}{4}", "3/4"),
        (r"-\dfrac{3}{4}", "-3/4"),
        (r"\frac34", "3/4"),
        (r" \tfrac{ 30 }{ 4 }", "30/4"),
        (r"\frac{x}{4}", r"\frac{x}{4}"),
        (r"2\frac{3}{4}", r"2\frac{3}{4}"),
        ("3/4", "3/4"),
    ],
)
def test_a_fraction_of_two_numbers_is_written_with_a_slash(text: str, fraction: str) -> None:
    assert plain_fraction(text) == fraction


def test_a_brace_is_closed_where_the_nesting_ends() -> None:
    assert closing_brace("{a{b}c}d}", 0) == 6
    assert closing_brace(r"{\}}", 0) == 3
    assert closing_brace(r"{\\}", 0) == 3
    assert closing_brace("{a{b}", 0) is None


@given(st.text(alphabet="\\boxedtextfrac{}$*`()[]^~, 12\n", max_size=40))
def test_unwrapping_what_is_unwrapped_changes_nothing(text: str) -> None:
    assert unwrapped(unwrapped(text)) == unwrapped(text) or len(text) > 16
    plain(text)


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 15_000,
        "$" * 100_000,
        "\\text{" * 16_000,
        "\\(" * 50_000,
        "*" * 100_000,
        "\\frac " * 16_000,
    ],
)
def test_a_hostile_answer_is_read_in_linear_time(text: str) -> None:
    start = time.process_time()

    plain_fraction(plain(text))

    assert time.process_time() - start < 2
