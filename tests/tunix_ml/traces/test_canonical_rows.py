import json
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.traces.canonical_rows import decode_rows, encode_rows, from_canonical, to_canonical
from tunix_ml.traces.lines import Line
from tunix_ml.traces.parse import read_trace

SOURCE = JsonlSource(kind="jsonl", path="a.jsonl")
STEP = {"i": 0, "type": "t", "content": "c"}
RECORD: dict[str, Any] = {"trace_version": "1.0", "prompt": "Q", "final_answer": "A", "steps": [STEP]}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
steps = st.lists(st.tuples(texts, texts), min_size=1, max_size=4).map(
    lambda pairs: [{"i": i, "type": kind, "content": text} for i, (kind, text) in enumerate(pairs)]
)
records = st.fixed_dictionaries(
    {"trace_version": texts, "prompt": texts, "final_answer": texts, "steps": steps},
    optional={"meta": st.none() | st.dictionaries(texts, values, max_size=4)},
)


def line_of(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def strictly(line: bytes) -> Trace:
    return read_trace(Line(1, 0, line, True), SOURCE)


@given(st.lists(records, min_size=1, max_size=5), st.booleans())
def test_rows_have_the_canonical_bytes_of_the_standards_library(
    made: list[dict[str, Any]], in_ascii: bool
) -> None:
    lines = [json.dumps(record, ensure_ascii=in_ascii).encode() for record in made]
    rows = decode_rows(b"\n".join(lines))

    if rows is not None:
        traces = [strictly(line) for line in lines]
        assert rows.canonical == [rfc8785.dumps(trace.record()) for trace in traces]
        assert rows.metas == [None if t.meta is None else rfc8785.dumps(t.meta) for t in traces]
        assert [msgspec.to_builtins(row) for row in rows.traces] == [trace.record() for trace in traces]
    else:
        assert any(not text.strip() for record in made for text in _texts(record)) or in_ascii


def _texts(record: dict[str, Any]) -> list[str]:
    return [record["prompt"], record["final_answer"], *(step["content"] for step in record["steps"])]


@given(records.filter(lambda record: all(text.strip() for text in _texts(record))))
def test_traces_of_any_origin_have_the_canonical_bytes_of_the_standards_library(
    record: dict[str, Any],
) -> None:
    trace = msgspec.convert(record, Trace)

    rows = encode_rows([to_canonical(trace)])

    assert rows is not None
    assert rows.canonical == [rfc8785.dumps(trace.record())]


def meta(text: str) -> bytes:
    return line_of(RECORD)[:-1] + b',"meta":' + text.encode() + b"}"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{broken",
        line_of(RECORD) + line_of(RECORD),
        line_of(RECORD) + b"\n\n" + line_of(RECORD),
        line_of(RECORD) + b"\r\n" + line_of(RECORD),
        line_of(RECORD).replace(b'"steps"', b'\n"steps"') + b"\n" + line_of(RECORD) + line_of(RECORD),
        line_of({**RECORD, "prompt": " \t"}),
        line_of({**RECORD, "final_answer": "\u2003"}),
        line_of({**RECORD, "steps": [STEP, STEP]}),
        line_of({**RECORD, "steps": [{**STEP, "content": "\n"}]}),
        line_of({**RECORD, "steps": []}),
        line_of({**RECORD, "more": 1}),
        line_of(RECORD)[:-1] + b',"prompt":"Q"}',
        line_of(RECORD).replace(b'"i":0', b'"i":0,"i":1'),
        line_of(RECORD).replace(b'"Q"', b'"\\u0022"'),
        line_of(RECORD).replace(b'"Q"', b'"\\u0000"'),
        line_of(RECORD).replace(b'"Q"', b'"\\ud800"'),
        line_of(RECORD).replace(b'"Q"', b'"\xff"'),
        meta('{"a":1,"a":2}'),
        meta('{"a":[{"b":"c","b":"c"}]}'),
        meta('{"a":9007199254740993}'),
        meta('{"a":1e999}'),
        meta('{"a":NaN}'),
        meta('{"a":' + "[" * 70 + "]" * 70 + "}"),
    ],
)
def test_whatever_is_unusual_is_left_to_the_strict_reader(line: bytes) -> None:
    assert decode_rows(line) is None
    assert decode_rows(line_of(RECORD) + b"\n" + line) is None


def test_a_missing_meta_beside_a_repeated_key_does_not_hide_it() -> None:
    repeated = line_of(RECORD).replace(b'"i":0', b'"i":0,"i":1')

    assert decode_rows(b"\n".join([meta("null"), repeated, meta('{"meta":1}')])) is None
    assert decode_rows(b"\n".join([meta("null"), line_of(RECORD), meta('{"meta":1}')])) is not None


@pytest.mark.parametrize(
    ("given_meta", "family"), [("null", "all"), ('{"family":"sums"}', "sums"), ('{"family":3}', "all")]
)
def test_the_family_is_that_of_the_trace(given_meta: str, family: str) -> None:
    rows = decode_rows(meta(given_meta))

    assert rows is not None
    assert rows.traces[0].family() == family == strictly(meta(given_meta)).family()


def test_a_step_is_no_other_than_a_trace_step() -> None:
    trace = Trace("1.0", "Q", "A", (TraceStep(3, "t", "c"),), {"a": 1.5})

    assert msgspec.convert(msgspec.to_builtins(to_canonical(trace)), Trace) == trace
    assert from_canonical(to_canonical(trace)) == trace
