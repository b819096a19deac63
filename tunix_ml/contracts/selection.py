"""How rows of dataset versions are chosen: filters with declared operators, and why a row was left out."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec
from pydantic import Field, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.table import Column, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

Operator = Literal[
    "equals", "not_equals", "in", "not_in", "at_least", "at_most", "contains", "matches", "exists"
]
FIELDS = (
    "trace_id",
    "split",
    "trace_version",
    "prompt",
    "final_answer",
    "source",
    "source_line",
    "family",
    "num_steps",
    "prompt_chars",
    "answer_chars",
    "steps_chars",
)
_META = "meta."
FilterReason = Literal["filter", "duplicate_trace", "family_cap", "weight", "limit"]


class Filter(Artifact):
    """One condition that a row must fulfil; a row without the field fulfils none but `exists: false`."""

    field: str = Field(description="a column, a count like `num_steps`, `family`, or a path below `meta.`")
    op: Operator = Field(description="how the field is compared with the value")
    value: Any = Field(
        description="a list for in and not_in, a number for at_least and at_most, true or false"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.field not in FIELDS and not self.field.startswith(_META):
            raise ValueError(f"field {self.field!r} is none of {', '.join(FIELDS)} and not below meta.")
        if problem := _problem(self.op, self.value):
            raise ValueError(f"{self.op} needs {problem}, got {self.value!r:.80}")
        return self


def is_number(value: Any) -> bool:
    """Say whether a value can be compared by size; true and false cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _problem(op: Operator, value: Any) -> str | None:
    if op in {"in", "not_in"}:
        return None if isinstance(value, list | tuple) and value else "a list that is not empty"
    if op in {"at_least", "at_most"}:
        return None if is_number(value) else "a number"
    if op == "exists":
        return None if isinstance(value, bool) else "true or false"
    if op in {"contains", "matches"} and not isinstance(value, str):
        return "a text"
    return _pattern_problem(value) if op == "matches" else None


def _pattern_problem(value: str) -> str | None:
    try:
        re.compile(value)
    except re.error as error:
        return f"a regular expression ({error})"
    return None


class Filtered(msgspec.Struct, frozen=True):
    """A valid row that a selection left out, and why; it stands in the version or file it came from."""

    trace_id: str
    part: str
    source: str
    line: int
    split: str
    family: str
    reason: FilterReason
    detail: str


FILTERED_SCHEMA = TableSchema(
    [
        Column("trace_id", "string", "identity of the trace's content"),
        Column("part", "string", "part of the recipe that the row came from"),
        Column("source", "string", "`dataset:<version>`, file name or generator"),
        Column("line", "int64", "row or line there, from 1"),
        Column("split", "string", "split that the row has there, or would have had"),
        Column("family", "string", "family that the trace's meta names"),
        Column("reason", "string", "filter, duplicate_trace, family_cap, weight or limit"),
        Column("detail", "string", "what the row failed, in a sentence"),
    ]
)


def to_table(filtered: Iterable[Filtered]) -> "pa.Table":
    """Return the table of the rows left out, in the order given."""
    return FILTERED_SCHEMA.table(map(msgspec.to_builtins, filtered))
