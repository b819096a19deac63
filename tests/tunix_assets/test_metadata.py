"""Metadata that the UI shows inline."""

import math
import re

import pytest

from tunix_assets.metadata import INLINE_LIMIT, column_schema, curve, inline_table, samples
from tunix_ml.contracts.trace import TRACES_SCHEMA


@pytest.mark.parametrize("num_values", [1, 2, 40, 41, 5_000])
def test_a_curve_of_any_length_fits_inline(num_values: int) -> None:
    values = [math.exp(-i / 50) for i in range(num_values)]

    text = curve(values, title="training loss, nats per token").value

    assert text is not None
    assert len(text) < INLINE_LIMIT
    (link,) = re.findall(r"\]\((.*?)\)", text)
    assert link.startswith("data:image/svg+xml,%3Csvg")
    assert " " not in link


def test_a_curve_names_its_first_last_and_lowest_value() -> None:
    text = curve([4.0, 1.0, 2.0], title="loss").value

    assert text is not None
    assert text.endswith("loss: 4 to 2, lowest 1")


def test_a_curve_keeps_the_first_and_the_last_point() -> None:
    text = curve([float(i) for i in range(1_000)], title="loss").value

    assert text is not None
    assert "d='M0,90L" in text
    assert "L320,0'" in text


def test_a_long_table_is_cut_to_what_fits_and_says_how_much_is_left_out() -> None:
    rows = [[i, "a" * 20] for i in range(200)]

    text = inline_table(["number", "text"], rows).value

    assert text is not None
    assert len(text) < INLINE_LIMIT
    shown = text.count("aaaa ") or text.count("a |")
    assert f"and {200 - shown} more" in text


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    text = inline_table(["text"], [["a | b\nc"]]).value

    assert text is not None
    assert text.splitlines()[-1] == "| a \\| b c |"


def test_samples_are_preformatted_so_that_tags_are_shown() -> None:
    text = samples([{"prompt": "2 + 2?\n", "response": "<answer>4</answer>"}], "prompt", "response").value

    assert text == "    2 + 2?\n    <answer>4</answer>"


def test_a_contract_becomes_column_metadata_with_its_descriptions() -> None:
    schema = column_schema(TRACES_SCHEMA)["dagster/column_schema"]

    described = {column.name: column.description for column in schema.columns}

    assert described["prompt"] == "the question"
    assert set(described) == set(TRACES_SCHEMA.names)
