"""What changed from one dataset version to another: `difference.json` and the table of the changed rows."""

from typing import Literal

import msgspec
from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.table import Column, TableSchema

Change = Literal["added", "removed", "changed", "moved"]
CHANGES: tuple[Change, ...] = ("added", "removed", "changed", "moved")


class ChangedRow(msgspec.Struct, frozen=True):
    """One row that is not in both versions alike."""

    change: Change
    trace_id: str
    trace_id_before: str | None
    split: str
    split_before: str | None
    source: str
    source_line: int
    prompt: str


DIFFERENCE_SCHEMA = TableSchema(
    [
        Column("change", "string", "added, removed, changed (the same question) or moved (to another split)"),
        Column("trace_id", "string", "identity of the content; of a removed row, what it was"),
        Column("trace_id_before", "string", "identity of the content before", nullable=True),
        Column("split", "string", "its split; of a removed row, what it was"),
        Column("split_before", "string", "its split before", nullable=True),
        Column("source", "string", "where the row comes from; of a removed row, where it came from"),
        Column("source_line", "int64", "line or index there, from 1"),
        Column("prompt", "string", "the question"),
    ]
)


class DatasetDifference(Artifact):
    """`difference.json`: the counts of a difference, which add up to those of both versions."""

    before: str = Field(description="the earlier dataset version")
    before_digest: str
    after: str = Field(description="the later dataset version")
    after_digest: str
    num_before: int = Field(description="traces: unchanged + changed + moved + removed")
    num_after: int = Field(description="traces: unchanged + changed + moved + added")
    num_unchanged: int = Field(description="the same content in the same split")
    counts: dict[Change, int] = Field(description="rows of the table, by kind of change")
    by_source: dict[str, dict[Change, int]] = Field(description="the same by source")
