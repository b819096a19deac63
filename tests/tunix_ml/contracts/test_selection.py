from typing import Any

import pytest

from tunix_ml.contracts.selection import FILTERED_SCHEMA, Filter, Filtered, to_table


@pytest.mark.parametrize(
    ("field", "op", "value"),
    [
        ("split", "equals", "train"),
        ("meta.level.name", "in", ["easy", 3]),
        ("num_steps", "at_least", 2),
        ("meta.score", "at_most", 0.5),
        ("prompt", "matches", r"\d+"),
        ("meta.tags", "contains", "algebra"),
        ("meta.level", "exists", False),
    ],
)
def test_a_filter_has_a_known_field_and_an_operator_that_fits_its_value(
    field: str, op: Any, value: Any
) -> None:
    assert Filter(field=field, op=op, value=value).value == value


@pytest.mark.parametrize(
    ("field", "op", "value", "message"),
    [
        ("question", "equals", "x", "field 'question' is none of trace_id"),
        ("metal", "equals", "x", "not below meta"),
        ("split", "in", "train", "in needs a list that is not empty, got 'train'"),
        ("split", "not_in", [], "not_in needs a list"),
        ("num_steps", "at_least", "2", "at_least needs a number"),
        ("num_steps", "at_most", True, "at_most needs a number"),
        ("prompt", "contains", 3, "contains needs a text"),
        ("prompt", "matches", 3, "matches needs a text"),
        ("prompt", "matches", "(", "matches needs a regular expression"),
        ("meta.a", "exists", "yes", "exists needs true or false"),
        ("prompt", "eval", "1", "Input should be 'equals'"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(field: str, op: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Filter(field=field, op=op, value=value)


def test_rows_left_out_make_a_table() -> None:
    row = Filtered("ab", "golden-v2", "dataset:golden-v2", 3, "train", "sums", "limit", "no more than 2")

    table = to_table([row])

    assert table.schema.names == FILTERED_SCHEMA.names
    assert table.to_pylist()[0]["reason"] == "limit"
