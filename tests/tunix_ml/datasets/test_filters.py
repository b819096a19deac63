from typing import Any

import pytest

from tunix_ml.contracts.selection import Filter
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.datasets.filters import FilterRow, first_unfulfilled

META = {"family": "sums", "level": {"name": "hard", "rank": 3}, "tags": ["a", "b"], "ok": True, "none": None}
ROW = FilterRow(
    Trace("1.0", "What is 1 + 2?", "3", (TraceStep(0, "t", "1 + 2"), TraceStep(1, "t", "= 3")), META),
    "ab" * 16,
    "test",
    "rows.jsonl",
    7,
)


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("split", "equals", "test"),
        ("split", "not_equals", "train"),
        ("trace_id", "equals", "ab" * 16),
        ("source", "in", ["rows.jsonl", "x"]),
        ("source_line", "at_most", 7),
        ("trace_version", "equals", "1.0"),
        ("family", "not_in", ["words"]),
        ("num_steps", "at_least", 2),
        ("prompt_chars", "equals", 14),
        ("answer_chars", "equals", 1),
        ("steps_chars", "equals", 8),
        ("prompt", "contains", "1 + 2"),
        ("final_answer", "matches", r"^\d$"),
        ("meta.level.name", "equals", "hard"),
        ("meta.level.rank", "at_least", 2.5),
        ("meta.tags", "contains", "b"),
        ("meta.none", "exists", True),
        ("meta.none", "equals", None),
        ("meta.nothing", "exists", False),
        ("meta.family.name", "exists", False),
    ],
)
def test_a_row_that_fulfils_a_filter_passes(field: str, op: Any, value: Any) -> None:
    assert first_unfulfilled(ROW, [Filter(field=field, op=op, value=value)]) is None


@pytest.mark.parametrize(
    ("field", "op", "value", "sentence"),
    [
        ("split", "equals", "train", "split is 'test', the filter asks for equals 'train'"),
        ("num_steps", "at_least", 3, "num_steps is 2, the filter asks for at_least 3"),
        ("meta.topic", "not_equals", "x", "meta.topic is missing, the filter asks for not_equals 'x'"),
        ("meta.level.name", "at_least", 1, "meta.level.name is 'hard', the filter asks for at_least 1"),
        ("meta.ok", "equals", 1, "meta.ok is True, the filter asks for equals 1"),
        ("meta.ok", "at_most", 5, "meta.ok is True"),
        ("meta.level.rank", "matches", "3", "meta.level.rank is 3"),
        ("meta.level", "exists", False, "meta.level is {'name': 'hard', 'rank': 3}"),
        ("meta.tags", "in", ["a"], "meta.tags is ['a', 'b']"),
    ],
)
def test_a_row_that_does_not_is_told_what_it_failed(field: str, op: Any, value: Any, sentence: str) -> None:
    found = first_unfulfilled(ROW, [Filter(field=field, op=op, value=value)])

    assert found is not None
    assert found.startswith(sentence)


def test_the_first_filter_that_fails_is_named() -> None:
    filters = [Filter(field=name, op="equals", value="no") for name in ("prompt", "split")]

    assert str(first_unfulfilled(ROW, filters)).startswith("prompt is")
