"""Parquet files: written with a checksum in every page, verified when read.

Arrow loads with the first file, not with this module.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def write_table(table: "pa.Table", path: Path) -> None:
    """Write a table as one file."""
    write_batches([table], path, schema=table.schema)


def write_batches(tables: Iterable["pa.Table"], path: Path, *, schema: "pa.Schema") -> None:
    """Write tables of one schema, one after the other, as one file."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for table in tables:
            writer.write_table(table)


def read_table(path: Path) -> "pa.Table":
    """Read a file; a page whose checksum differs is an error."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    return pq.read_table(path, page_checksum_verification=True)


def read_batches(
    path: Path, *, num_rows: int = 2_000, columns: Sequence[str] | None = None
) -> Iterator["pa.Table"]:
    """Yield the rows of a file by so many, all columns or some; a page whose checksum differs is an error."""
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=num_rows, columns=columns):
            yield pa.Table.from_batches([batch]).cast(_chosen(file.schema_arrow, columns))


def _chosen(schema: "pa.Schema", columns: Sequence[str] | None) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions

    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def read_schema(path: Path) -> "pa.Schema":
    """Return the columns of a file, from its footer."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    return pq.read_schema(path)


def count_rows(path: Path) -> int:
    """Return the number of rows of a file, from its footer."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    return int(pq.read_metadata(path).num_rows)
