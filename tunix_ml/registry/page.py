"""The leaderboard as a page: one file, no scripts, nothing from the network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TEMPLATE = Path(__file__).with_name("leaderboard.html.jinja")


def render_page(rows: Sequence[Mapping[str, Any]], unreadable: Mapping[str, str]) -> str:
    """Return the page; every value is escaped."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - not at the load of the definitions

    groups: dict[tuple[str, int, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row["evaluation_set"], row["n_items"], row["evaluation_set_digest"], row["scorer"])
        groups.setdefault(key, []).append(row)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["share"] = _share
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        groups=groups, unreadable=unreadable
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
