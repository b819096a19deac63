"""The DuckDB side of the store: views over the current tables, and a rebuildable catalog file."""

import os
import re
import uuid
from collections.abc import Collection
from pathlib import Path

import duckdb

from tunix_ml.durable import lease
from tunix_ml.slot import Slot
from tunix_ml.store import Store

_LEASE_TIMEOUT_S = 600.0  # several runs may end at once
# view name: (asset or group of run slots, file)
_TABLES = {
    "traces": ("dataset", "traces.parquet"),
    "rejects": ("dataset", "rejects.parquet"),
    "tokenized_examples": ("tokenized_examples", "examples.parquet"),
    "predictions": ("predictions", "predictions.parquet"),
    "item_scores": ("eval", "item_scores.parquet"),
    "evaluation_items": ("evaluation_set", "items.parquet"),
    "judgements": ("judgements", "verdicts.parquet"),
    "leaderboard": ("leaderboard", "leaderboard.parquet"),
    "leaderboard_pairs": ("leaderboard", "pairs.parquet"),
}


def create_views(
    connection: duckdb.DuckDBPyConnection, store: Store, *, tables: Collection[str] = tuple(_TABLES)
) -> list[str]:
    """Give a connection a view per table over all current, verified files, and return the views' names.

    A view has the table's columns and `key`, the dataset version or the run id. A table of which nothing is
    published has no view. The connection is confined to the store's home first, for good.

    Raises:
        CorruptArtifact: a file is missing or differs from what was published.
    """
    _confine(connection, store)
    selects = _selects(store, tables)
    for name, select in selects.items():
        connection.execute(f"CREATE VIEW {name} AS {select}")
    return sorted(selects)


def rebuild_catalog(store: Store) -> Path:
    """Write `catalog.duckdb` anew beside the old one and swap it in: a cache for people, never a source.

    One process at a time does so: a catalog never replaces one that knew more.

    Raises:
        CorruptArtifact: a file is missing or differs from what was published.
        LeaseHeld: other processes were at it for too long.
    """
    path = store.home / "catalog.duckdb"
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}.duckdb")
    with lease(path.with_name(".catalog-lease"), timeout_s=_LEASE_TIMEOUT_S):
        try:
            with duckdb.connect(str(temporary)) as connection:
                for name, select in _selects(store, _TABLES).items():
                    connection.execute(f"CREATE TABLE {name} AS {select}")
            os.replace(temporary, path)  # noqa: PTH105
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _confine(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    # DuckDB 2.0 compares the pattern with this list, and then each file that the pattern finds.
    allowed = sorted({f"{store.home}/", _escaped(f"{store.home}/")})
    connection.execute(f"SET allowed_directories = [{', '.join(map(_literal, allowed))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _selects(store: Store, tables: Collection[str]) -> dict[str, str]:
    published = [slot for slot in store.slots() if slot.pointer()]
    selects = {}
    for name in tables:
        group, file = _TABLES[name]
        members = [_select(slot, file) for slot in published if slot.table.split("/")[0] == group]
        if members:
            selects[name] = " UNION ALL ".join(members)
    return selects


def _select(slot: Slot, file: str) -> str:
    path = _escaped(str(slot.resolve().file(file)))
    return f"SELECT {_literal(slot.key)} AS key, * FROM read_parquet({_literal(path)})"  # noqa: S608


def _escaped(path: str) -> str:
    """Return the pattern that finds this path alone."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
