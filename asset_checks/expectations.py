"""Great Expectations suites derived from the contracts; the only module that imports the library.

A suite is never written by hand: a column that a schema declares non-nullable must not be null, and a bound
that a contract declares on a field is expected of the flat projection of that field.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import msgspec

from asset_checks.outcome import Outcome
from tunix_ml.contracts.table import TableSchema
from tunix_ml.contracts.trace import SPLITS, TRACE_ID_LENGTH, Trace, TraceStep

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


class Expected(NamedTuple):
    """One expectation: its class in Great Expectations and its arguments."""

    kind: str
    arguments: dict[str, Any]


def not_null(schema: TableSchema) -> list[Expected]:
    """Return the expectation that each non-nullable column of a schema holds no null."""
    return [
        Expected("ExpectColumnValuesToNotBeNull", {"column": column.name})
        for column in schema
        if not column.nullable
    ]


def unique(column: str) -> Expected:
    """Return the expectation that no value of a column repeats."""
    return Expected("ExpectColumnValuesToBeUnique", {"column": column})


def unique_together(*columns: str) -> Expected:
    """Return the expectation that no combination of some columns' values repeats."""
    return Expected("ExpectCompoundColumnsToBeUnique", {"column_list": list(columns)})


def one_of(column: str, values: Sequence[Any]) -> Expected:
    """Return the expectation that a column holds only some values."""
    return Expected("ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)})


def trace_suite(schema: TableSchema) -> list[Expected]:
    """Return what the trace contract expects of the flat projection of a traces table."""
    return [
        *not_null(schema),
        unique("trace_id"),
        one_of("split", SPLITS),
        _between("trace_id_chars", TRACE_ID_LENGTH, TRACE_ID_LENGTH),
        *(_between(f"{name}_chars", low, high) for name, low, high in _text_bounds(Trace)),
        *(_between("num_steps", low, high) for _, low, high in _length_bounds(Trace)),
        *(
            _between(f"{end}_step_{name}_chars", low, high)
            for name, low, high in _text_bounds(TraceStep)
            for end in ("shortest", "longest")
        ),
        *(_between(f"lowest_step_{name}", low, None) for name, low in _integer_bounds(TraceStep)),
        one_of("num_repeated_step_i", [0]),
    ]


def flatten_traces(tables: Iterable["pa.Table"]) -> "pd.DataFrame":
    """Return the flat projection of a traces table, given in parts: lengths and counts instead of texts.

    Of a text, and of the steps, the column itself holds the length: nullness alone is asked of it.
    """
    import pandas as pd

    return pd.concat([_flatten(table) for table in tables], ignore_index=True)


def _flatten(table: "pa.Table") -> "pd.DataFrame":
    import pyarrow.compute as pc

    frame = table.select(["trace_id", "split", "source_line"]).to_pandas()
    for name in ("trace_version", "prompt", "final_answer", "source"):
        frame[name] = frame[f"{name}_chars"] = pc.utf8_length(table[name]).to_pandas()
    frame["trace_id_chars"] = pc.utf8_length(table["trace_id"]).to_pandas()
    frame["steps"] = frame["num_steps"] = pc.list_value_length(table["steps"]).to_pandas()
    lengths = frame["num_steps"].fillna(0).to_numpy(dtype="int64")
    steps = table["steps"].combine_chunks().flatten()
    for name in ("type", "content"):
        chars = pc.utf8_length(steps.field(name)).to_numpy(zero_copy_only=False)
        frame[f"shortest_step_{name}_chars"] = _of_each_row(chars, lengths, take="minimum", otherwise=0)
        frame[f"longest_step_{name}_chars"] = _of_each_row(chars, lengths, take="maximum", otherwise=0)
    numbers = steps.field("i").to_numpy(zero_copy_only=False)
    frame["lowest_step_i"] = _of_each_row(numbers, lengths, take="minimum", otherwise=-1)
    frame["num_repeated_step_i"] = _num_repeated(numbers, lengths)
    return cast("pd.DataFrame", frame)


def _of_each_row(
    values: "np.ndarray", lengths: "np.ndarray", *, take: Literal["minimum", "maximum"], otherwise: int
) -> "np.ndarray":
    """Return the least or the largest of each row's values, of which there are `lengths`."""
    import numpy as np

    found = np.full(len(lengths), otherwise, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    if len(values):
        found[lengths > 0] = getattr(np, take).reduceat(values, starts[lengths > 0])
    return found


def _num_repeated(values: "np.ndarray", lengths: "np.ndarray") -> "np.ndarray":
    """Return how many of each row's values repeat another one of the row."""
    import numpy as np

    rows = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((values, rows))
    values, rows = values[order], rows[order]
    is_repeated = (values[1:] == values[:-1]) & (rows[1:] == rows[:-1])
    return np.bincount(rows[1:][is_repeated], minlength=len(lengths))


def validate_table(
    table: "pa.Table", schema: TableSchema, suite: Sequence[Expected], *, subject: str
) -> Outcome:
    """Run a suite over a table that must have the columns of its schema, and no null where none may be."""
    if not table.schema.equals(schema.arrow()):
        return Outcome(False, f"columns are {table.schema.names}, not {schema.names}")
    return validate(table.to_pandas(), [*not_null(schema), *suite], subject=subject)


def validate(frame: "pd.DataFrame", suite: list[Expected], *, subject: str) -> Outcome:
    """Run a suite over a data frame and return what it found."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    table = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    batch = table.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    expectations = [getattr(gx.expectations, expected.kind)(**expected.arguments) for expected in suite]
    result = batch.validate(gx.ExpectationSuite(name="contract", expectations=expectations))
    failures = [_describe_failure(found) for found in result.results if not found.success]
    facts = {"num_rows": len(frame), "num_expectations": len(suite), "num_failed": len(failures)}
    if failures:
        return Outcome(False, f"{subject}: {'; '.join(sorted(failures)[:5])}", facts)
    return Outcome(True, f"{subject}: all {len(suite)} expectations hold for {len(frame)} rows", facts)


def _between(column: str, low: int | None, high: int | None) -> Expected:
    return Expected("ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high})


def _text_bounds(struct: type[msgspec.Struct]) -> Iterator[tuple[str, int | None, int | None]]:
    for name, kind in _fields(struct):
        if isinstance(kind, msgspec.inspect.StrType):
            yield name, kind.min_length, kind.max_length


def _length_bounds(struct: type[msgspec.Struct]) -> Iterator[tuple[str, int | None, int | None]]:
    for name, kind in _fields(struct):
        if isinstance(kind, msgspec.inspect.VarTupleType):
            yield name, kind.min_length, kind.max_length


def _integer_bounds(struct: type[msgspec.Struct]) -> Iterator[tuple[str, int | None]]:
    for name, kind in _fields(struct):
        if isinstance(kind, msgspec.inspect.IntType):
            yield name, kind.ge


def _fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    info = msgspec.inspect.type_info(struct)
    for field in info.fields:  # type: ignore[attr-defined]
        kind = field.type
        yield field.name, kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _describe_failure(found: Any) -> str:
    config = found.expectation_config
    column = config.kwargs.get("column", "the table")
    raised = [text for text in _exceptions(found.exception_info) if text]
    if raised:
        return f"{column} could not be examined for {config.type}: {raised[0]}"
    count = found.result.get("unexpected_count", "?")
    examples = found.result.get("partial_unexpected_list", [])[:3]
    return f"{column} breaks {config.type} in {count} rows, such as {examples}"


def _exceptions(info: dict[str, Any]) -> list[str | None]:
    """Return the messages of an exception_info, which is one record or a dict of records."""
    records = [info] if "raised_exception" in info else list(info.values())
    return [record.get("exception_message") for record in records if record.get("raised_exception")]
