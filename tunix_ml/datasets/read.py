"""Read a published dataset version back, verified."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import DatasetTrace, Split
from tunix_ml.parquet import read_batches, read_table
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


_BATCH_ROWS = 2_000


@dataclass(frozen=True)
class Dataset:
    """A published dataset version; its parts are read, and their sha256 verified, when asked for."""

    snapshot: Snapshot

    @cached_property
    def manifest(self) -> DatasetManifest:
        """The manifest."""
        return DatasetManifest.read(self.snapshot.file("manifest.json"))

    @cached_property
    def table(self) -> "pa.Table":
        """The traces table, of schema TRACES_SCHEMA."""
        return read_table(self.snapshot.file("traces.parquet"))

    @cached_property
    def rejects(self) -> "pa.Table":
        """The rejects table, of schema REJECTS_SCHEMA."""
        return read_table(self.snapshot.file("rejects.parquet"))

    @cached_property
    def rows(self) -> list[DatasetTrace]:
        """The traces, in the table's order."""
        return list(traces_table.from_table(self.table))

    def batches(self, *columns: str) -> Iterator["pa.Table"]:
        """Yield some columns of the traces table, by some thousand rows; without names, all of them."""
        return read_batches(
            self.snapshot.file("traces.parquet"), num_rows=_BATCH_ROWS, columns=columns or None
        )

    def stream(self) -> Iterator[DatasetTrace]:
        """Yield the traces, in the table's order, in the memory of some thousand."""
        for table in self.batches():
            yield from traces_table.from_table(table)

    def split(self, split: Split) -> list[DatasetTrace]:
        """Return the traces of one split, in the table's order."""
        return [row for row in self.rows if row.split == split]


def read_dataset(store: Store, dataset_version: str, *, digest: str | None = None) -> Dataset:
    """Return the current content of a dataset version, or the content with a given digest.

    Raises:
        NotPublished: it has not been materialized, or not with this digest.
    """
    return Dataset(store.slot("dataset", dataset_version).resolve(digest))
