import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import UndefinedError

from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.comparison_index import ComparisonIndex
from tunix_ml.registry.pages.references import css_references
from tunix_ml.registry.pages.render import POLICY, static_files

EMPTY: Any = ComparisonIndex(rule="all pairs", boards=())


@pytest.fixture
def page_of(rendered: Callable[..., str]) -> Callable[..., str]:
    """A function that returns the page of all comparisons."""
    return lambda view=EMPTY, page=links.COMPARISONS: rendered("comparisons", view, page=page)


def test_a_page_forbids_everything_but_its_own_files(page_of: Callable[..., str]) -> None:
    page = page_of()

    assert f'content="{POLICY}"'.replace("'", "&#39;") in page
    assert POLICY.startswith("default-src 'none'")
    assert "unsafe" not in POLICY


def test_a_page_finds_its_files_from_where_it_lies(page_of: Callable[..., str]) -> None:
    assert 'href="../style.css"' in page_of()
    assert 'href="style.css"' in page_of(page="index.html")


def test_a_page_marks_where_one_is(page_of: Callable[..., str]) -> None:
    assert '<a href="../compare/index.html" aria-current="page">Compare</a>' in page_of()


def test_values_are_escaped_and_made_visible(page_of: Callable[..., str]) -> None:
    page = page_of(SimpleNamespace(rule="<b>\u202e\x00", boards=()))

    assert "&lt;b&gt;⟨u+202e⟩␀" in page.lower()


def test_a_value_that_is_missing_is_an_error_and_no_blank(page_of: Callable[..., str]) -> None:
    with pytest.raises(UndefinedError, match="rule"):
        page_of(SimpleNamespace(boards=()))


def test_static_files_load_nothing_and_are_not_empty() -> None:
    files = static_files()

    assert set(files) == {links.STYLE, links.SCRIPT, links.ICON}
    assert css_references(files[links.STYLE].decode()) == []
    script = files[links.SCRIPT].decode()
    assert not re.search(
        r"https?:|fetch\(|XMLHttpRequest|innerHTML|insertAdjacentHTML|document\.write|eval\(", script
    )
    assert b"http" not in files[links.ICON].replace(b"http://www.w3.org/2000/svg", b"")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_on_what_they_stand_on(scheme: str) -> None:
    colors = palette(scheme)

    for ink, grounds in {
        "ink": ("paper", "raised"),
        "muted": ("paper", "raised"),
        "a": ("paper", "raised", "a-soft"),
        "b": ("paper",),
        "good": ("good-soft", "paper"),
        "warn": ("warn-soft", "paper"),
        "bad": ("bad-soft", "paper"),
        "plain": ("plain-soft",),
    }.items():
        for ground in grounds:
            assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)


def palette(scheme: str) -> dict[str, str]:
    style = static_files()[links.STYLE].decode()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light))
    return colors | (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", dark)) if scheme == "dark" else {})


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
