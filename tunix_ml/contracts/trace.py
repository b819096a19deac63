"""One reasoning trace, and the table of a dataset's traces."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import canonical_json, record_digest
from tunix_ml.contracts.table import Column, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
TRACE_ID_LENGTH = 32
_ESCAPED_NUL = b"\\u0000"


class TraceStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of reasoning."""

    i: Annotated[int, Meta(ge=0, le=2**53 - 1, description="position; unique within the trace")]
    type: Annotated[str, Meta(min_length=1, max_length=64, description="kind of step")]
    content: Annotated[str, Meta(min_length=1, max_length=20_000, description="text of the step")]


class Trace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, the steps that answer it, and the answer."""

    trace_version: Annotated[str, Meta(min_length=1, max_length=64, description="schema version")]
    prompt: Annotated[str, Meta(min_length=1, max_length=50_000, description="the question")]
    final_answer: Annotated[str, Meta(min_length=1, max_length=50_000, description="the answer")]
    steps: Annotated[tuple[TraceStep, ...], Meta(min_length=1, max_length=1_000, description="the reasoning")]
    meta: Annotated[dict[str, Any] | None, Meta(description="anything else, or null")] = None

    def record(self) -> dict[str, Any]:
        """Return the trace as plain values, in the shape of the raw JSONL."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record

    def trace_id(self) -> str:
        """Return the identity of this content: the start of its canonical sha256."""
        return record_digest(self.record())[:TRACE_ID_LENGTH]

    def family(self) -> str:
        """Return the family that meta names, `all` if it names none."""
        family = (self.meta or {}).get("family")
        return family if isinstance(family, str) and family else "all"


class DatasetTrace(msgspec.Struct, frozen=True):
    """A trace in its place in a dataset version: a row of the traces table."""

    trace_id: str
    split: Split
    trace: Trace
    source: str
    source_line: int

    def row_digest(self) -> str:
        """Return the digest of the content and the split, not of where the row came from."""
        return record_digest({"split": self.split, "trace": self.trace.record()})


TRACES_SCHEMA = TableSchema(
    [
        Column("trace_id", "string", "identity of the trace's content"),
        Column("split", "string", "train, validation or test"),
        Column("trace_version", "string", "schema version of the trace"),
        Column("prompt", "string", "the question"),
        Column("final_answer", "string", "the answer"),
        Column(
            "steps",
            [{"i": "int64", "type": "string", "content": "string"}],
            "the reasoning, in the order it was given",
        ),
        Column("meta", "string", "canonical JSON of the trace's meta", nullable=True),
        Column("source", "string", "file name or generator of origin"),
        Column("source_line", "int64", "line or index there, from 1"),
    ]
)


def validate_trace(trace: Trace) -> Trace:
    """Return the trace if it also keeps the rules that no field can express alone.

    Raises:
        ContractError: step numbers repeat, a text is blank or holds NUL, or meta has no canonical form.
    """
    numbers = [step.i for step in trace.steps]
    if len(set(numbers)) != len(numbers):
        repeated = next(number for number in numbers if numbers.count(number) > 1)
        raise ContractError(f"steps[].i must be unique, {repeated} is repeated")
    texts = {"prompt": trace.prompt, "final_answer": trace.final_answer}
    texts |= {f"steps[{index}].content": step.content for index, step in enumerate(trace.steps)}
    for name, text in texts.items():
        if not text.strip():
            raise ContractError(f"{name} must not be blank")
    record = trace.record()
    try:
        canonical = canonical_json(record)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"the trace has no canonical JSON form: {error}") from error
    if _ESCAPED_NUL in canonical and _holds_nul(record):
        raise ContractError("the trace holds a NUL character")
    return trace


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(_holds_nul, value)) or any(map(_holds_nul, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


def to_table(rows: Iterable[DatasetTrace]) -> "pa.Table":
    """Return the traces table of some rows, in their order."""
    return TRACES_SCHEMA.table(map(_to_row, rows))


def from_table(table: "pa.Table") -> Iterator[DatasetTrace]:
    """Yield the rows of a traces table, validated against the contract again.

    Raises:
        ContractError: the table's schema or a row's content breaks the contract.
    """
    if not table.schema.equals(TRACES_SCHEMA.arrow()):
        raise ContractError(f"traces table has columns {table.schema.names}, expected {TRACES_SCHEMA.names}")
    for row in table.to_pylist():
        yield _from_row(row)


def _to_row(row: DatasetTrace) -> dict[str, Any]:
    trace = row.trace
    return {
        "trace_id": row.trace_id,
        "split": row.split,
        "trace_version": trace.trace_version,
        "prompt": trace.prompt,
        "final_answer": trace.final_answer,
        "steps": [msgspec.to_builtins(step) for step in trace.steps],
        "meta": None if trace.meta is None else canonical_json(trace.meta).decode(),
        "source": row.source,
        "source_line": row.source_line,
    }


def _from_row(row: dict[str, Any]) -> DatasetTrace:
    meta = None if row["meta"] is None else msgspec.json.decode(row["meta"])
    fields = {name: row[name] for name in ("trace_version", "prompt", "final_answer", "steps")}
    try:
        trace = msgspec.convert({**fields, "meta": meta}, Trace)
    except msgspec.ValidationError as error:
        raise ContractError(f"trace {row['trace_id']}: {error}") from error
    validate_trace(trace)
    return DatasetTrace(row["trace_id"], row["split"], trace, row["source"], row["source_line"])
