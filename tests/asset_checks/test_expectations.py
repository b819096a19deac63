from typing import Annotated

import msgspec
import pandas as pd
import pytest
from msgspec import Meta

from asset_checks import expectations
from asset_checks.expectations import Expected, flatten_traces, not_null, trace_suite, validate
from tunix_ml.contracts.table import Column, TableSchema
from tunix_ml.contracts.trace import TRACES_SCHEMA, DatasetTrace, Trace, TraceStep, to_table


def between(column: str, low: int | None, high: int | None) -> Expected:
    return Expected("ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high})


# Suites


def test_every_required_column_is_expected_not_to_be_null() -> None:
    schema = TableSchema([Column("a", "int64", ""), Column("b", "int64", "", nullable=True)])

    assert not_null(schema) == [Expected("ExpectColumnValuesToNotBeNull", {"column": "a"})]


@pytest.mark.parametrize(
    "expected",
    [
        between("trace_version_chars", 1, 64),
        between("prompt_chars", 1, 50_000),
        between("final_answer_chars", 1, 50_000),
        between("num_steps", 1, 1_000),
        between("shortest_step_type_chars", 1, 64),
        between("longest_step_content_chars", 1, 20_000),
        between("lowest_step_i", 0, None),
    ],
)
def test_the_suite_expects_the_bounds_of_the_contract(expected: Expected) -> None:
    assert expected in trace_suite(TRACES_SCHEMA)


def test_a_changed_bound_in_the_contract_changes_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    class Step(msgspec.Struct):
        i: Annotated[int, Meta(ge=1)]
        content: Annotated[str, Meta(min_length=2, max_length=7, description="text")]

    class Changed(msgspec.Struct):
        prompt: Annotated[str, Meta(min_length=3, max_length=99)]
        steps: Annotated[tuple[Step, ...], Meta(max_length=5)]

    monkeypatch.setattr(expectations, "Trace", Changed)
    monkeypatch.setattr(expectations, "TraceStep", Step)
    bounds = [found for found in trace_suite(TableSchema()) if found.kind.endswith("ToBeBetween")]

    assert bounds == [
        between("trace_id_chars", 32, 32),
        between("prompt_chars", 3, 99),
        between("num_steps", None, 5),
        between("shortest_step_content_chars", 2, 7),
        between("longest_step_content_chars", 2, 7),
        between("lowest_step_i", 1, None),
    ]


def test_every_expected_column_is_in_the_projection() -> None:
    steps = (TraceStep(4, "recall", "abc"), TraceStep(2, "calculate", "a"))
    trace = Trace("1.0", "Why?", "so", steps)
    frame = flatten_traces([to_table([DatasetTrace(trace.trace_id(), "test", trace, "here", 1)])])

    assert {expected.arguments["column"] for expected in trace_suite(TRACES_SCHEMA)} <= set(frame.columns)
    (row,) = frame.to_dict("records")
    assert (row["prompt_chars"], row["final_answer_chars"], row["num_steps"]) == (4, 2, 2)
    assert (row["shortest_step_content_chars"], row["longest_step_content_chars"]) == (1, 3)
    assert (row["shortest_step_type_chars"], row["longest_step_type_chars"]) == (6, 9)
    assert (row["lowest_step_i"], row["num_repeated_step_i"]) == (2, 0)


# Validation


def test_what_holds_passes_with_the_counts() -> None:
    outcome = validate(pd.DataFrame({"a": [1, 2]}), [between("a", 1, 2)], subject="table")

    assert outcome.passed
    assert outcome.description == "table: all 1 expectations hold for 2 rows"
    assert outcome.facts == {"num_rows": 2, "num_expectations": 1, "num_failed": 0}


def test_what_does_not_hold_is_named_with_examples() -> None:
    suite = [between("a", 1, 2), Expected("ExpectColumnValuesToBeUnique", {"column": "b"})]

    outcome = validate(pd.DataFrame({"a": [1, 7, 9], "b": [5, 5, 6]}), suite, subject="table")

    assert not outcome.passed
    assert outcome.facts["num_failed"] == 2
    assert "a breaks expect_column_values_to_be_between in 2 rows, such as [7, 9]" in outcome.description
    assert "b breaks expect_column_values_to_be_unique in 2 rows, such as [5, 5]" in outcome.description


def test_a_column_that_is_not_there_fails_and_says_so() -> None:
    outcome = validate(pd.DataFrame({"a": [1]}), [between("b", 1, 2)], subject="table")

    assert not outcome.passed
    assert "b could not be examined for expect_column_values_to_be_between" in outcome.description


def test_an_empty_table_keeps_every_expectation() -> None:
    frame = flatten_traces([to_table([])])

    assert validate(frame, trace_suite(TRACES_SCHEMA), subject="traces").passed
