import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from tunix_ml.durable import lease
from tunix_ml.registry.catalog import create_views, rebuild_catalog
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, Snapshot
from tunix_ml.store import Store

TABLES = [
    "item_scores",
    "leaderboard",
    "leaderboard_pairs",
    "predictions",
    "rejects",
    "tokenized_examples",
    "traces",
]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        yield opened


@pytest.fixture
def board(store: Store, evaluated: Callable[..., Slot]) -> Store:
    """A store in which every table has rows, those of runs from two of them."""
    evaluated(recipe="one", share_right=1.0)
    evaluated(recipe="two", share_right=0.5)
    publish_leaderboard(store, required_checks=())
    return store


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    (found,) = connection.execute(query).fetchone() or (None,)
    assert isinstance(found, int)
    return found


# Views


def test_every_published_table_has_a_view_over_all_its_rows(
    board: Store, connection: duckdb.DuckDBPyConnection
) -> None:
    assert create_views(connection, board) == TABLES

    counts = {name: count(connection, f"SELECT count(*) FROM {name}") for name in TABLES}
    assert counts == {
        "traces": 100,
        "rejects": 0,
        "tokenized_examples": 92,
        "predictions": 16,
        "item_scores": 16,
        "leaderboard": 2,
        "leaderboard_pairs": 1,
    }


def test_a_score_can_be_computed_anew_from_its_items(
    board: Store, connection: duckdb.DuckDBPyConnection
) -> None:
    create_views(connection, board)

    pairs = connection.execute(
        "SELECT primary_score, avg(answer_correctness) FROM leaderboard JOIN item_scores"
        " ON run_id = item_scores.key GROUP BY run_id, primary_score ORDER BY primary_score"
    ).fetchall()

    assert pairs == [(0.5, 0.5), (1.0, 1.0)]


def test_rows_bear_the_key_they_were_published_under(
    board: Store, connection: duckdb.DuckDBPyConnection
) -> None:
    create_views(connection, board)

    assert connection.execute("SELECT DISTINCT key FROM traces").fetchall() == [("golden-v2",)]
    runs = connection.execute("SELECT DISTINCT key FROM predictions ORDER BY key").fetchall()
    assert [key for (key,) in runs] == board.run_ids()


def test_what_was_not_published_has_no_view(
    store: Store, golden: Snapshot, connection: duckdb.DuckDBPyConnection
) -> None:
    assert create_views(connection, store) == ["rejects", "traces"]


@pytest.mark.parametrize("name", ["it's", "star*", "what?", "[odd] home", "a b;--"])
def test_a_home_of_any_name_can_be_read(
    tmp_path: Path, store: Store, golden: Snapshot, connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    odd = Store(shutil.move(store.home, tmp_path / name))

    create_views(connection, odd)

    assert count(connection, "SELECT count(*) FROM traces") == 100


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{outside}')",
        "SELECT * FROM read_text('{home}/../outside.txt')",
        "SELECT * FROM read_text('{home}/link.txt')",
        "COPY (SELECT 1) TO '{outside}'",
        "ATTACH '{outside}' AS other",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET allowed_directories",
        "SET memory_limit = '1TB'",
    ],
)
def test_nothing_outside_the_home_can_be_touched(
    tmp_path: Path, store: Store, golden: Snapshot, connection: duckdb.DuckDBPyConnection, query: str
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    (store.home / "link.txt").symlink_to(outside)
    create_views(connection, store)

    with pytest.raises(duckdb.Error):
        connection.execute(query.format(outside=outside, home=store.home)).fetchall()
    assert outside.read_text() == "secret"


def test_a_damaged_file_has_no_view(
    store: Store, golden: Snapshot, connection: duckdb.DuckDBPyConnection
) -> None:
    (golden.path / "traces.parquet").write_bytes(b"damaged")

    with pytest.raises(CorruptArtifact, match=r"traces\.parquet has sha256"):
        create_views(connection, store)


# The catalog file


def test_the_catalog_holds_the_rows_itself(board: Store) -> None:
    path = rebuild_catalog(board)
    shutil.rmtree(board.home / "lake")

    with duckdb.connect(str(path), read_only=True) as catalog:
        assert count(catalog, "SELECT count(*) FROM traces") == 100
        assert count(catalog, "SELECT count(*) FROM leaderboard WHERE status = 'valid'") == 2


def test_a_new_catalog_replaces_the_old_one_as_a_whole(store: Store, golden: Snapshot) -> None:
    first = rebuild_catalog(store)
    with duckdb.connect(str(first)) as catalog:
        catalog.execute("CREATE TABLE leftover AS SELECT 1")
    shutil.rmtree(store.home / "lake")
    (store.home / "lake").mkdir()

    with duckdb.connect(str(first), read_only=True) as reader:  # keeps reading the old file
        path = rebuild_catalog(store)
        assert count(reader, "SELECT count(*) FROM traces") == 100

    with duckdb.connect(str(path), read_only=True) as catalog:
        assert catalog.execute("SHOW TABLES").fetchall() == []


def test_a_catalog_that_is_no_database_is_replaced(store: Store, golden: Snapshot) -> None:
    (store.home / "catalog.duckdb").write_text("not a database")

    with duckdb.connect(str(rebuild_catalog(store)), read_only=True) as catalog:
        assert count(catalog, "SELECT count(*) FROM traces") == 100


def test_a_failed_rebuild_leaves_the_old_catalog_and_nothing_else(store: Store, golden: Snapshot) -> None:
    before = rebuild_catalog(store).read_bytes()
    (golden.path / "traces.parquet").write_bytes(b"damaged")

    with pytest.raises(CorruptArtifact):
        rebuild_catalog(store)

    assert (store.home / "catalog.duckdb").read_bytes() == before
    assert sorted(path.name for path in store.home.iterdir()) == [
        ".catalog-lease",
        "catalog.duckdb",
        "lake",
    ]


def test_a_catalog_that_waited_for_another_knows_what_came_meanwhile(
    store: Store, golden: Snapshot, evaluated: Callable[..., Slot]
) -> None:
    waiting = threading.Thread(target=lambda: rebuild_catalog(store))

    with lease(store.home / ".catalog-lease", timeout_s=1):
        waiting.start()
        time.sleep(0.3)  # long enough to look at the store too early
        evaluated()
        publish_leaderboard(store, required_checks=())
    waiting.join()

    with duckdb.connect(str(store.home / "catalog.duckdb"), read_only=True) as catalog:
        assert count(catalog, "SELECT count(*) FROM leaderboard") == 1
