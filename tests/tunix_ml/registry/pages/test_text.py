from pathlib import Path

import pytest

from tunix_ml.registry.pages.text import Excerpt, cut, excerpt, moment, portable, visible


def test_an_excerpt_says_how_much_is_left_out() -> None:
    assert excerpt("abcdef", most=4) == Excerpt("abcd", 2)
    assert excerpt("abcd", most=4) == Excerpt("abcd", 0)


def test_a_cut_text_is_no_longer_than_asked_and_says_that_it_was_cut() -> None:
    assert cut("abcdef", most=4) == "abc…"
    assert cut("abcd", most=4) == "abcd"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("\x1b[31m", "␛[31m"),
        ("\x7f", "␡"),
        ("\x85", "⟨U+0085⟩"),
        ("\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
        ("\u2066a\u2069", "⟨U+2066⟩a⟨U+2069⟩"),
        ("\u200f\u061c", "⟨U+200F⟩⟨U+061C⟩"),
        ("\u2028\ufeff\uffff", "⟨U+2028⟩⟨U+FEFF⟩⟨U+FFFF⟩"),
        ("\ud800", "\ufffd"),
        ("a\r\n", "a␍\n"),
    ],
)
def test_what_a_browser_hides_or_obeys_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["", "two\nlines\tand a tab", "שלום", "👩\u200d🔬", "é \ufffd <&>"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_a_moment_is_told_to_the_minute() -> None:
    assert moment("2026-11-22T22:54:10+00:00") == "2026-11-22 22:54"


def test_a_sentence_does_not_name_the_place_of_the_store() -> None:
    assert portable("/home/ada/.tunix/runs/x is missing", home=Path("/home/ada/.tunix")) == (
        "$TUNIX_HOME/runs/x is missing"
    )
