"""Parquet files that grow by a few rows at a time, in bounded memory."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tunix_ml.contracts.table import TableSchema

GROUP_ROWS = 20_000


class RowFile:
    """One Parquet file; rows are written in groups by a thread, while the next ones are made."""

    def __init__(self, path: Path, schema: TableSchema, *, group_rows: int = GROUP_ROWS) -> None:
        self.num_rows = 0
        self._schema, self._group_rows = schema, group_rows
        self._arrow = schema.arrow()
        self._waiting: list[pa.Table] = []
        self._writing: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1)
        self._writer = pq.ParquetWriter(path, self._arrow, compression="zstd", write_page_checksum=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write()
                self._finish()
        finally:
            self._thread.shutdown()
            self._writer.close()

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows."""
        self.extend(self._schema.table(rows))

    def extend(self, table: pa.Table) -> None:
        """Add the rows of a table of the same schema."""
        self.num_rows += table.num_rows
        if table.num_rows:
            self._waiting.append(table)
        if sum(waiting.num_rows for waiting in self._waiting) >= self._group_rows:
            self._write()

    def _write(self) -> None:
        self._finish()
        if self._waiting:
            group = pa.concat_tables(self._waiting)
            self._waiting = []
            self._writing = self._thread.submit(self._writer.write_table, group)

    def _finish(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None
