from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot

SET = "golden-v2.test"


def test_a_row_is_followed_back_and_forth(
    golden: Snapshot, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    run_id = evaluated().key
    row = next(row for row in published_rows(golden) if row.split == "test")
    start = ("datasets", "lineage", "--json")

    by_trace = command(*start, "--trace", row.trace_id)
    by_version = command(*start, "--trace", row.trace_id, "--version", "golden-v2")
    by_example = command(*start, "--run", run_id, "--example", row.trace_id)
    by_prediction = command(*start, "--run", run_id, "--set", SET, "--item", row.trace_id)
    by_item = command(*start, "--set", SET, "--item", row.trace_id)
    forward = command(*start, "--source", row.source, "--line", str(row.source_line))

    (origin,) = by_trace.record["origins"]
    assert (origin["source"], origin["source_line"]) == (row.source, row.source_line)
    for other in (by_version, by_example, by_prediction, by_item):
        assert other.record == by_trace.record
    (fate,) = forward.record["fates"]
    assert (fate["trace_id"], fate["asked"]) == (row.trace_id, [run_id])


def test_a_row_is_told_in_a_sentence(golden: Snapshot, command: Callable[..., Any]) -> None:
    row = next(published_rows(golden))

    assert f"is line {row.source_line} of" in command("datasets", "lineage", "--trace", row.trace_id).out
    line = command("datasets", "lineage", "--source", row.source, "--line", str(row.source_line)).out
    assert f"it is trace {row.trace_id}" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--example", "a"], "--example needs --run"),
        (["--item", "a"], "--item needs --set"),
        (["--source", "a"], "--source needs --line"),
        (["--trace", "a"], "no published dataset version has a trace 'a'"),
    ],
)
def test_what_is_missing_is_said(words: list[str], message: str, command: Callable[..., Any]) -> None:
    answer = command("datasets", "lineage", *words)

    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err


def test_a_number_leads_back_to_every_digest(
    golden: Snapshot, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    run_id = evaluated().key

    text = command("runs", "lineage", run_id)
    record = command("runs", "lineage", run_id, "--set", SET, "--json").record

    assert text.code == 0
    assert golden.digest in text.out
    assert "source generator:golden" in text.out
    assert record["lineage"]["kind"] == "row"
    assert 0 <= record["score"] <= 1
