"""Whether a row fulfils a recipe's filters, and in which words it does not."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tunix_ml.contracts.selection import Filter, Operator, is_number
from tunix_ml.contracts.trace import Trace


class FilterRow(NamedTuple):
    """What filters see of a row."""

    trace: Trace
    trace_id: str
    split: str
    source: str
    source_line: int


_ABSENT = object()
_FIELDS: Mapping[str, Callable[[FilterRow], Any]] = {
    "trace_id": lambda row: row.trace_id,
    "split": lambda row: row.split,
    "source": lambda row: row.source,
    "source_line": lambda row: row.source_line,
    "trace_version": lambda row: row.trace.trace_version,
    "prompt": lambda row: row.trace.prompt,
    "final_answer": lambda row: row.trace.final_answer,
    "family": lambda row: row.trace.family(),
    "num_steps": lambda row: len(row.trace.steps),
    "prompt_chars": lambda row: len(row.trace.prompt),
    "answer_chars": lambda row: len(row.trace.final_answer),
    "steps_chars": lambda row: sum(len(step.content) for step in row.trace.steps),
}
_OPERATORS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "equals": lambda found, value: _are_equal(found, value),  # noqa: PLW0108 - defined below
    "not_equals": lambda found, value: not _are_equal(found, value),
    "in": lambda found, value: any(_are_equal(found, one) for one in value),
    "not_in": lambda found, value: not any(_are_equal(found, one) for one in value),
    "at_least": lambda found, value: is_number(found) and found >= value,
    "at_most": lambda found, value: is_number(found) and found <= value,
    "contains": lambda found, value: isinstance(found, str | list) and value in found,
    "matches": lambda found, value: isinstance(found, str) and re.search(value, found) is not None,
}


def first_unfulfilled(row: FilterRow, filters: Iterable[Filter]) -> str | None:
    """Return what the row fails first, in a sentence; None if it fulfils all filters."""
    for condition in filters:
        found = _value(row, condition.field)
        if not _holds(found, condition):
            said = "is missing" if found is _ABSENT else f"is {found!r:.80}"
            return f"{condition.field} {said}, the filter asks for {condition.op} {condition.value!r:.80}"
    return None


def _holds(found: Any, condition: Filter) -> bool:
    if condition.op == "exists":
        return (found is not _ABSENT) is bool(condition.value)
    return found is not _ABSENT and bool(_OPERATORS[condition.op](found, condition.value))


def _value(row: FilterRow, field: str) -> Any:
    if field in _FIELDS:
        return _FIELDS[field](row)
    value: Any = row.trace.meta
    for key in field.split(".")[1:]:
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _are_equal(found: Any, value: Any) -> bool:
    # True is no 1 here, as in JSON.
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)
