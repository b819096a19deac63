import pytest

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.trace import TRACES_SCHEMA, DatasetTrace, Trace, TraceStep
from tunix_ml.datasets.columns import Frame, Origins, read_frame, to_frame
from tunix_ml.datasets.splits import assign_split
from tunix_ml.traces.canonical_rows import encode_rows, to_canonical

SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}
TRACES = [
    Trace("1.0", "Where?", "Here", (TraceStep(0, "t", "c"), TraceStep(7, "u", "d")), {"b": 1.5, "a": "é"}),
    Trace("1.0", "Où ça ? 😀", "Là", (TraceStep(3, "t", "ß"),)),
    Trace("2.0", "Why?", "So", (TraceStep(2**53 - 1, "t", "c"),), {"family": "f"}),
    Trace("2.0", "How?", "Thus", (TraceStep(0, "t", "c"),), {}),
]


def frame_of(traces: list[Trace], **options: object) -> Frame:
    rows = encode_rows([to_canonical(trace) for trace in traces])
    assert rows is not None
    origins = Origins("a.jsonl", list(range(5, 5 + len(traces))))
    return to_frame(rows, origins, shares=SHARES, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("chosen", [TRACES, TRACES[1:2], TRACES * 4, []])
def test_a_frame_holds_the_table_that_the_contract_makes(chosen: list[Trace]) -> None:
    frame = frame_of(chosen)

    rows = [
        DatasetTrace(trace.trace_id(), assign_split(trace.prompt, SHARES), trace, "a.jsonl", line)
        for line, trace in enumerate(chosen, start=5)
    ]
    assert read_frame(frame).equals(traces_table.to_table(rows))
    assert read_frame(frame).schema.equals(TRACES_SCHEMA.arrow())
    assert frame.num_rows == len(chosen)
    assert frame.trace_ids.hex() == "".join(row.trace_id for row in rows)
    assert frame.row_digests.hex() == "".join(row.row_digest() for row in rows)
    assert frame.families == [trace.family() for trace in chosen]
    read_frame(frame).validate(full=True)


def test_given_splits_are_kept() -> None:
    frame = frame_of(TRACES, splits=["test", "test", "train", "validation"])

    assert read_frame(frame)["split"].to_pylist() == ["test", "test", "train", "validation"]
