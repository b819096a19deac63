"""Shards of token rows, kept under a name made from all they depend on, so that none is made twice."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tunix_ml.durable import TEMPORARY_PREFIX

_ROWS, _INDEX = "rows.parquet", "index.parquet"


class Shard(NamedTuple):
    """The rows of some examples, where each of these stands in them, and how many were too long.

    Rows are counted from the first of the shard.
    """

    rows: pa.Table
    index: pa.Table
    num_examples: int


@dataclass
class ShardCache:
    """A folder of shards; one that is missing or damaged is made again."""

    folder: Path
    used: set[str] = field(default_factory=set)

    def get(self, key: str, make: Callable[[], Shard]) -> Shard:
        """Return the shard of a key, from the folder if it is there."""
        self.used.add(key)
        found = self._read(key)
        if found is None:
            found = make()
            self._write(key, found)
        return found

    def forget_unused(self) -> None:
        """Delete the shards that were not asked for."""
        for path in self.folder.glob("*.shard"):
            if path.stem not in self.used:
                path.unlink(missing_ok=True)

    def _read(self, key: str) -> Shard | None:
        try:
            data = (self.folder / f"{key}.shard").read_bytes()
        except FileNotFoundError:
            return None
        # A bit may have flipped since: the digest stands before the content.
        body = memoryview(data)[hashlib.sha256().digest_size :]
        if hashlib.sha256(body).digest() != data[: hashlib.sha256().digest_size]:
            return None
        reader = pa.BufferReader(body)
        with pa.ipc.open_stream(reader) as stream:
            rows = stream.read_all()
        with pa.ipc.open_stream(reader) as stream:
            index = stream.read_all()
        return Shard(rows, index, int(index.schema.metadata[b"num_examples"]))

    def _write(self, key: str, shard: Shard) -> None:
        sink = pa.BufferOutputStream()
        index = shard.index.replace_schema_metadata({"num_examples": str(shard.num_examples)})
        for table in (shard.rows, index):
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
                writer.write_table(table)
        body = sink.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        with temporary.open("wb") as file:
            file.write(hashlib.sha256(body).digest())
            file.write(body)
        temporary.replace(self.folder / f"{key}.shard")
