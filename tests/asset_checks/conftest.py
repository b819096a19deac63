"""What the checks look at, and edits of it that a check must find."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asset_checks.outcome import Subject
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

GOLDEN = "golden-v2"


@pytest.fixture
def subject_of(store: Store) -> Callable[..., Subject]:
    """A function that returns what the checks of a slot look at: its current content, or the one given."""

    def subject(slot: Slot, snapshot: Snapshot | None = None) -> Subject:
        return Subject(store, GOLDEN, slot, snapshot or slot.resolve())

    return subject


@pytest.fixture
def edit_table() -> Callable[..., Callable[[Path], None]]:
    """A function that returns an edit of one Parquet file, for `tampered`: its rows are changed in place."""

    def make(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
        def edit(folder: Path) -> None:
            table = pq.read_table(folder / name)
            rows = table.to_pylist()
            change(rows)
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / name)

        return edit

    return make
