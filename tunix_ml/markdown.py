"""Markdown tables: cells that cannot break out of their row."""

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table; whole numbers have their thousands apart."""
    return [
        f"| {' | '.join(map(cell, columns))} |",
        "|" + "---|" * len(columns),
        *(f"| {' | '.join(map(cell, row))} |" for row in rows),
    ]


def cell(value: object) -> str:
    """Return a value as the text of a cell, on one line."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return " ".join((f"{value:,}" if is_number else str(value)).split()).replace("|", r"\|")
