"""One line of input that did not become a trace, and why."""

from collections.abc import Iterable
from typing import Literal

import msgspec
import pyarrow as pa

RejectCode = Literal[
    "invalid_utf8",
    "invalid_json",
    "truncated_line",
    "non_finite_number",
    "duplicate_key",
    "nul_character",
    "line_too_long",
    "nested_too_deep",
    "contract",
    "mapping",
    "duplicate_trace",
]
EXCERPT_CHARACTERS = 160


class Reject(msgspec.Struct, frozen=True):
    """Where a rejected line stands and what is wrong with it; bounded in size."""

    source: str
    line: int
    byte_offset: int
    code: RejectCode
    message: str
    sha256: str
    excerpt: str


REJECTS_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), False, {"description": "file name of origin"}),
        pa.field("line", pa.int64(), False, {"description": "line number there, from 1"}),
        pa.field("byte_offset", pa.int64(), False, {"description": "offset of the line's first byte"}),
        pa.field("code", pa.string(), False, {"description": "kind of defect"}),
        pa.field("message", pa.string(), False, {"description": "what is wrong, in a sentence"}),
        pa.field("sha256", pa.string(), False, {"description": "digest of the line's bytes"}),
        pa.field("excerpt", pa.string(), False, {"description": "start of the line, escaped"}),
    ]
)


def to_table(rejects: Iterable[Reject]) -> pa.Table:
    """Return the rejects table, in the order given."""
    return pa.Table.from_pylist([msgspec.to_builtins(row) for row in rejects], schema=REJECTS_SCHEMA)
