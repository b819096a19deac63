import re
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.registry.leaderboard import Row, collect_leaderboard
from tunix_ml.registry.page import render_page
from tunix_ml.store import Slot, Store

ATTACK = "<script>alert('x')</script>\"&"


@pytest.fixture
def row(store: Store, evaluated: Callable[..., Slot]) -> Row:
    evaluated()
    return collect_leaderboard(store, required_checks=()).rows[0]


def test_a_row_shows_score_interval_and_run(row: Row) -> None:
    page = render_page([row], {})

    assert "<h2>golden-v2.test" in page
    assert '<td class="n">0.750</td>' in page
    assert "0.409 to 0.929" in page
    assert row["run_id"] in page
    assert "Runs that could not be read" not in page


def test_a_row_without_a_score_shows_no_number(row: Row) -> None:
    nothing = dict.fromkeys(("rank", "primary_score", "ci95_low", "ci95_high", "stderr", "format_valid"))

    page = render_page([{**row, **nothing, "status": "incomplete: 7 of 8"}], {})

    assert '<tr class="unranked">' in page
    assert "incomplete: 7 of 8" in page
    assert "None" not in page
    assert "0.000" not in page


@pytest.mark.parametrize(
    "field", ["recipe", "template", "run_id", "status", "evaluation_set", "model_digest"]
)
def test_every_value_is_escaped(row: Row, field: str) -> None:
    page = render_page([{**row, field: ATTACK}], {})

    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;" in page


@pytest.mark.parametrize("unreadable", [{ATTACK: "reason"}, {"run": ATTACK}])
def test_what_could_not_be_read_is_named_and_escaped(unreadable: dict[str, str]) -> None:
    page = render_page([], unreadable)

    assert "Runs that could not be read" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_the_page_needs_nothing_from_the_network_and_runs_nothing(row: Row) -> None:
    page = render_page([row], {"run": "reason"})

    assert not re.search(r"https?:|//|<(script|link|img|iframe|object|form)|\bon\w+=|url\(|@import", page)
    assert "default-src 'none'" in page


def test_each_evaluation_set_has_a_table_of_its_own(row: Row) -> None:
    page = render_page([row, {**row, "evaluation_set": "other-v1.test"}], {})

    assert page.count("<table>") == 2


def test_an_empty_board_says_so() -> None:
    assert "No run has been evaluated yet." in render_page([], {})


def test_a_row_without_a_column_is_an_error_and_no_blank(row: Row) -> None:
    from jinja2 import UndefinedError

    incomplete: dict[str, Any] = {name: value for name, value in row.items() if name != "status"}

    with pytest.raises(UndefinedError, match="status"):
        render_page([incomplete], {})
