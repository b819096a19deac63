import pytest

from tunix_ml.markdown import cell, table


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(("Name", "Items"), [("a|b", 1_234)]) == [
        "| Name | Items |",
        "|---|---|",
        r"| a\|b | 1,234 |",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("two\nlines", "two lines"), (" a\t| b ", r"a \| b"), (-1_000, "-1,000"), (True, "True"), (0.5, "0.5")],
)
def test_a_cell_stays_on_its_line(value: object, shown: str) -> None:
    assert cell(value) == shown
