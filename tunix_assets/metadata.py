"""Metadata a person can read in the Dagster UI.

The UI shows a Markdown value inline when the whole text is shorter than 1,000 characters and behind a button
when it is longer, so curves and tables here are drawn to fit.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import dagster as dg

from tunix_ml.contracts.table import TableSchema
from tunix_ml.markdown import table

INLINE_LIMIT = 1_000
_WIDTH, _HEIGHT = 320, 90
_MAX_POINTS = 40


def curve(values: Sequence[float], *, title: str) -> dg.MarkdownMetadataValue:
    """Return a line over equally spaced values, from the lowest to the highest, as an inline picture."""
    shown = _thinned(values)
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    step = _WIDTH / max(len(shown) - 1, 1)
    points = "L".join(
        f"{round(i * step)},{round(_HEIGHT - (value - low) / span * _HEIGHT)}"
        for i, value in enumerate(shown)
    )
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg'"
        f" viewBox='-4 -4 {_WIDTH + 8} {_HEIGHT + 8}' width='{_WIDTH}'>"
        f"<path d='M{points}' fill='none' stroke='#3b82f6' stroke-width='2'/></svg>"
    )
    picture = f"![{title}](data:image/svg+xml,{quote(svg, safe=_SAFE)})"
    return dg.MetadataValue.md(f"{picture}\n\n{title}: {values[0]:.4g} to {values[-1]:.4g}, lowest {low:.4g}")


_SAFE = "/:=',"  # what a data URI may hold unescaped inside a Markdown link; a space would end the link


def inline_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """Return a Markdown table cut to the rows that fit inline, saying how many were left out."""
    for shown in range(len(rows), -1, -1):
        left_out = len(rows) - shown
        note = f"\n\n… and {left_out} more" if left_out else ""
        text = "\n".join(table(columns, rows[:shown])) + note
        if len(text) < INLINE_LIMIT:
            break
    return dg.MetadataValue.md(text)


def samples(records: Sequence[Mapping[str, Any]], *fields: str) -> dg.MarkdownMetadataValue:
    """Return some records as preformatted text, one block for each."""
    blocks = [
        "\n".join(f"    {line}" for name in fields for line in str(record[name]).splitlines())
        for record in records
    ]
    return dg.MetadataValue.md("\n\n---\n\n".join(blocks))


def column_schema(schema: TableSchema) -> dict[str, dg.TableSchema]:
    """Return a contract's schema as the column metadata of an asset."""
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=column.description,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in schema
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def _thinned(values: Sequence[float]) -> list[float]:
    if len(values) <= _MAX_POINTS:
        return list(values)
    step = (len(values) - 1) / (_MAX_POINTS - 1)
    return [values[round(i * step)] for i in range(_MAX_POINTS)]
