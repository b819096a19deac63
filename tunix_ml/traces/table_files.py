"""The rows of Parquet and Arrow files as plain records, in bounded batches."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_ml.traces.lines import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

Record = dict[str, Any]
PARQUET_SUFFIXES = (".parquet",)
ARROW_SUFFIXES = (".arrow",)
# So few that rows of a megabyte each still fit; more would be hardly faster.
_BATCH_ROWS = 256


def read_records(path: Path, *, columns: Sequence[str] | None) -> Iterator[Record]:
    """Yield the rows of a file in their order, with the named columns or, for None, all of them.

    Times become ISO texts, decimals texts. A column that the file does not have is left out.

    Raises:
        SourceError: the file cannot be read to its end; the message names the row.
    """
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions

    number = 0
    try:
        for batch in _batches(path, columns):
            for record in batch.to_pylist(maps_as_pydicts="strict"):
                number += 1
                yield record
    except (OSError, pa.ArrowException, KeyError) as error:
        raise SourceError(f"{path} cannot be read beyond row {number}: {error}") from error


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        SourceError: the file is not of its format.
    """
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        if path.name.endswith(ARROW_SUFFIXES):
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                return list(reader.schema.names)
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error


def _batches(path: Path, columns: Sequence[str] | None) -> Iterator["pa.RecordBatch"]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    wanted = None if columns is None else [name for name in column_names(path) if name in columns]
    if path.name.endswith(ARROW_SUFFIXES):
        yield from _arrow_batches(path, wanted)
        return
    with pq.ParquetFile(path, buffer_size=1 << 20, page_checksum_verification=True) as file:
        yield from file.iter_batches(_BATCH_ROWS, columns=wanted, use_threads=False)


def _arrow_batches(path: Path, columns: Sequence[str] | None) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions

    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            chosen = batch if columns is None else batch.select(columns)
            for start in range(0, chosen.num_rows, _BATCH_ROWS):
                yield chosen.slice(start, _BATCH_ROWS)
