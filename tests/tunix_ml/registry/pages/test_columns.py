from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA
from tunix_ml.evaluation.comparison.numbers import UNKNOWN
from tunix_ml.registry.pages.columns import COLUMNS, VIEWS, Cell, cell

BY_KEY = {column.key: column for column in COLUMNS}


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("coverage", 1.0, Cell("100.0", "1.0")),
        ("num_params", 123_456, Cell("123 k", "123456")),
        ("n_items", 1_002, Cell("1,002", "1002")),
        ("device_seconds", 14_000.4, Cell("14,000", "14000.4")),
        ("evaluated_at", "2026-11-22T10:00:00+00:00", Cell("2026-11-22", "2026-11-22T10:00:00+00:00")),
        ("claims_correct", None, Cell(UNKNOWN, "")),
    ],
)
def test_a_cell_is_spelled_for_people_and_sorted_by_its_value(
    make_row: Callable[..., dict[str, Any]], key: str, value: object, shown: Cell
) -> None:
    assert cell(BY_KEY[key], make_row(**{key: value})) == shown


def test_a_long_value_is_cut(make_row: Callable[..., dict[str, Any]]) -> None:
    assert len(cell(BY_KEY["answer_rule"], make_row(answer_rule="x" * 1_000)).text) == 60


def test_every_column_is_one_of_the_contract_with_its_meaning() -> None:
    assert {column.key for column in COLUMNS} <= set(LEADERBOARD_SCHEMA.names)
    assert all(column.description for column in COLUMNS)


def test_no_view_is_empty() -> None:
    assert {view for column in COLUMNS for view in column.views} == set(VIEWS)
