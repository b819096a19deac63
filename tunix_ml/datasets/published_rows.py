"""The rows of a published dataset version one after the other, in bounded memory."""

from collections.abc import Iterator

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.trace import DatasetTrace
from tunix_ml.snapshot import Snapshot

_BATCH_ROWS = 2_000


def published_rows(snapshot: Snapshot) -> Iterator[DatasetTrace]:
    """Yield the rows in the table's order, each validated against the contract again.

    Raises:
        CorruptArtifact: the table is not as it was published.
    """
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(snapshot.file("traces.parquet"), page_checksum_verification=True) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            yield from traces_table.from_table(pa.Table.from_batches([batch]))
