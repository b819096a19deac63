import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import set_digest
from tunix_ml.contracts.trace import (
    SPLITS,
    TRACE_ID_LENGTH,
    TRACES_SCHEMA,
    DatasetTrace,
    Trace,
    TraceStep,
    from_table,
    to_table,
    validate_trace,
)

STEP: dict[str, Any] = {"i": 0, "type": "reasoning", "content": "2 + 2 = 4"}
RECORD: dict[str, Any] = {
    "trace_version": "1.0",
    "prompt": "What is 2 + 2?",
    "final_answer": "4",
    "steps": [STEP],
    "meta": {"family": "sums"},
}

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20).filter(
    str.strip
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=6,
)
TRACES = st.builds(
    Trace,
    trace_version=TEXTS,
    prompt=TEXTS,
    final_answer=TEXTS,
    steps=st.lists(
        st.builds(TraceStep, i=st.integers(0, 2**53 - 1), type=TEXTS, content=TEXTS),
        min_size=1,
        max_size=4,
        unique_by=lambda step: step.i,
    ).map(tuple),
    meta=st.none() | st.dictionaries(TEXTS, JSON, max_size=3),
)
ROWS = st.builds(
    lambda trace, split, source, line: DatasetTrace(trace.trace_id(), split, trace, source, line),
    TRACES,
    st.sampled_from(SPLITS),
    TEXTS,
    st.integers(1, 10**9),
)


def decode(**changes: Any) -> Trace:
    return msgspec.json.decode(json.dumps(RECORD | changes).encode(), type=Trace)


def row(trace: Trace, **changes: Any) -> DatasetTrace:
    values: dict[str, Any] = {"split": "train", "source": "traces.jsonl", "source_line": 1}
    return DatasetTrace(trace_id=trace.trace_id(), trace=trace, **values | changes)


def steps(number: int) -> list[dict[str, Any]]:
    return [STEP | {"i": index} for index in range(number)]


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_version": "v"},
        {"trace_version": "v" * 64},
        {"prompt": "p"},
        {"prompt": "p" * 50_000},
        {"prompt": "é" * 50_000},
        {"final_answer": "a"},
        {"final_answer": "a" * 50_000},
        {"steps": steps(1)},
        {"steps": steps(1_000)},
        {"steps": [STEP | {"i": 0}]},
        {"steps": [STEP | {"i": 2**53 - 1}]},
        {"steps": [STEP | {"type": "t"}]},
        {"steps": [STEP | {"type": "t" * 64}]},
        {"steps": [STEP | {"content": "c"}]},
        {"steps": [STEP | {"content": "c" * 20_000}]},
        {"meta": None},
        {"meta": {}},
        {"meta": {"deep": [{"er": 1.5}]}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_trace_at_its_limits_is_valid(changes: dict[str, Any]) -> None:
    assert validate_trace(decode(**changes)).record() == msgspec.to_builtins(decode(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trace_version": ""}, r"length >= 1 - at `\$\.trace_version`"),
        ({"trace_version": "v" * 65}, r"length <= 64 - at `\$\.trace_version`"),
        ({"prompt": ""}, r"length >= 1 - at `\$\.prompt`"),
        ({"prompt": "p" * 50_001}, r"length <= 50000 - at `\$\.prompt`"),
        ({"final_answer": ""}, r"length >= 1 - at `\$\.final_answer`"),
        ({"final_answer": "a" * 50_001}, r"length <= 50000 - at `\$\.final_answer`"),
        ({"steps": []}, r"length >= 1 - at `\$\.steps`"),
        ({"steps": steps(1_001)}, r"length <= 1000 - at `\$\.steps`"),
        ({"steps": [STEP | {"i": -1}]}, r">= 0 - at `\$\.steps\[0\]\.i`"),
        ({"steps": [STEP | {"i": 2**53}]}, r"<= 9007199254740991"),
        ({"steps": [STEP | {"i": 1.5}]}, r"Expected `int`, got `float`"),
        ({"steps": [STEP | {"i": "0"}]}, r"Expected `int`, got `str`"),
        ({"steps": [STEP | {"type": ""}]}, r"length >= 1 - at `\$\.steps\[0\]\.type`"),
        ({"steps": [STEP | {"type": "t" * 65}]}, r"length <= 64 - at `\$\.steps\[0\]\.type`"),
        ({"steps": [STEP | {"content": ""}]}, r"length >= 1 - at `\$\.steps\[0\]\.content`"),
        ({"steps": [STEP | {"content": "c" * 20_001}]}, r"length <= 20000"),
        ({"steps": [STEP | {"note": "n"}]}, r"unknown field `note` - at `\$\.steps"),
        ({"meta": []}, r"Expected `object \| null`, got `array` - at `\$\.meta`"),
        ({"meta": "m"}, r"Expected `object \| null`, got `str`"),
        ({"prompt": 7}, r"Expected `str`, got `int` - at `\$\.prompt`"),
        ({"prompts": "p"}, r"unknown field `prompts`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_trace_beyond_its_limits_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        decode(**changes)


@pytest.mark.parametrize("name", ["trace_version", "prompt", "final_answer", "steps"])
def test_a_trace_needs_every_field_but_meta(name: str) -> None:
    record = {key: value for key, value in RECORD.items() if key != name}

    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{name}`"):
        msgspec.convert(record, Trace)
    assert msgspec.convert({k: v for k, v in RECORD.items() if k != "meta"}, Trace).meta is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": [STEP | {"i": 3}, STEP, STEP | {"i": 3}]}, r"steps\[\]\.i must be unique, 3 is repeated"),
        ({"prompt": " \n\t"}, "prompt must not be blank"),
        ({"final_answer": "\u00a0"}, "final_answer must not be blank"),
        ({"steps": [STEP, STEP | {"i": 1, "content": " "}]}, r"steps\[1\]\.content must not be blank"),
        ({"prompt": "a\x00b"}, "the trace holds a NUL character"),
        ({"meta": {"\x00": 1}}, "the trace holds a NUL character"),
        ({"meta": {"count": 2**53}}, "no canonical JSON form"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_rules_across_fields_are_kept(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        validate_trace(decode(**changes))


def test_steps_need_not_be_numbered_in_order() -> None:
    numbers = [5, 0, 3]

    trace = validate_trace(decode(steps=[STEP | {"i": number} for number in numbers]))

    assert [step.i for step in trace.steps] == numbers


def test_the_trace_id_is_that_of_the_content_and_ignores_the_order_of_keys() -> None:
    trace, reversed_keys = decode(), msgspec.convert(dict(reversed(RECORD.items())), Trace)

    assert trace.trace_id() == reversed_keys.trace_id()
    assert len(trace.trace_id()) == TRACE_ID_LENGTH


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_version": "1.1"},
        {"prompt": "What is 2 + 2? "},
        {"final_answer": "5"},
        {"steps": [STEP | {"i": 1}]},
        {"steps": [STEP, STEP | {"i": 1}]},
        {"meta": None},
        {"meta": {"family": "sums", "n": 1}},
    ],
    ids=str,
)
def test_the_trace_id_changes_with_any_content(changes: dict[str, Any]) -> None:
    assert decode(**changes).trace_id() != decode().trace_id()


@pytest.mark.parametrize(
    ("meta", "family"), [({"family": "sums"}, "sums"), ({"family": ""}, "all"), ({}, "all"), (None, "all")]
)
def test_the_family_is_what_the_meta_names(meta: dict[str, Any] | None, family: str) -> None:
    assert decode(meta=meta).family() == family


def test_the_row_digest_differs_if_the_split_differs_and_ignores_the_origin() -> None:
    trace = decode()

    assert row(trace).row_digest() == row(trace, source="other.jsonl", source_line=7).row_digest()
    assert len({row(trace, split=split).row_digest() for split in SPLITS}) == len(SPLITS)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=4), st.randoms())
def test_the_dataset_digest_ignores_row_order_and_counts_duplicates(
    rows: list[DatasetTrace], random: Any
) -> None:
    digests = [row.row_digest() for row in rows]

    assert set_digest(digests) == set_digest(random.sample(digests, len(digests)))
    assert set_digest(digests) != set_digest([*digests, digests[0]])


@settings(deadline=None)  # the first table imports pandas
@given(st.lists(ROWS, max_size=4))
def test_a_table_gives_back_the_rows_it_was_made_of(rows: list[DatasetTrace]) -> None:
    table = to_table(rows)

    assert table.schema.equals(TRACES_SCHEMA.arrow())
    assert list(from_table(table)) == rows
    assert [row.row_digest() for row in from_table(table)] == [row.row_digest() for row in rows]
    assert to_table(from_table(table)).equals(table)


def test_a_table_with_other_columns_is_refused() -> None:
    table = to_table([row(decode())])

    for other in (table.drop_columns(["meta"]), table.rename_columns({"prompt": "prompts"}), pa.table({})):
        with pytest.raises(ContractError, match=r"traces table has columns .* expected \['trace_id', "):
            list(from_table(other))


@pytest.mark.parametrize(("column", "value"), [("prompt", ""), ("trace_version", "v" * 65), ("steps", [])])
def test_a_row_that_breaks_the_contract_is_refused_by_its_id(column: str, value: Any) -> None:
    rows = to_table([row(decode())]).to_pylist()
    table = TRACES_SCHEMA.table([rows[0] | {column: value}])

    with pytest.raises(ContractError, match=rf"trace {rows[0]['trace_id']}: .*\$\.{column}"):
        list(from_table(table))


def test_every_column_is_described() -> None:
    assert all(column.description for column in TRACES_SCHEMA)
