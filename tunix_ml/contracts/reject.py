"""One line of input that did not become a trace, and why."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import msgspec

from tunix_ml.contracts.table import Column, TableSchema

if TYPE_CHECKING:
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
    "sensitive",
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


REJECTS_SCHEMA = TableSchema(
    [
        Column("source", "string", "file name of origin"),
        Column("line", "int64", "line number there, from 1"),
        Column("byte_offset", "int64", "offset of the line's first byte"),
        Column("code", "string", "kind of defect"),
        Column("message", "string", "what is wrong, in a sentence"),
        Column("sha256", "string", "digest of the line's bytes"),
        Column("excerpt", "string", "start of the line, escaped"),
    ]
)


def to_table(rejects: Iterable[Reject]) -> "pa.Table":
    """Return the rejects table, in the order given."""
    return REJECTS_SCHEMA.table(map(msgspec.to_builtins, rejects))
