"""Canonical rows as the columns of the traces table, in a form that goes from process to process."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import TRACE_ID_LENGTH, TRACES_SCHEMA, Split
from tunix_ml.datasets.identities import ID_BYTES, row_digests, trace_ids
from tunix_ml.datasets.splits import assign_splits
from tunix_ml.traces.canonical_rows import CanonicalRows

_ARROW = TRACES_SCHEMA.arrow()
_STEP = _ARROW.field("steps").type.value_type


class Origins(NamedTuple):
    """Where rows came from: one name for each row, and the line there."""

    sources: list[str] | str
    lines: list[int]


class Frame(msgspec.Struct, frozen=True):
    """Rows of the traces table as an Arrow stream, their identities one after the other, and the rejects.

    `redactions` has, for each row from which something was taken out, how often by kind.
    """

    table: bytes
    trace_ids: bytes
    row_digests: bytes
    families: list[str]
    sources: list[str] | str
    lines: bytes
    rejects: list[Reject] = []
    redactions: dict[int, dict[str, int]] = {}

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return len(self.trace_ids) // ID_BYTES


def to_frame(
    rows: CanonicalRows,
    origins: Origins,
    *,
    shares: Mapping[Split, float],
    splits: list[Split] | None = None,
    rejects: list[Reject] | None = None,
    redactions: dict[int, dict[str, int]] | None = None,
) -> Frame:
    """Return canonical rows as a frame; without given splits the prompts decide."""
    splits = splits or assign_splits((trace.prompt for trace in rows.traces), shares)
    ids = trace_ids(rows.canonical)
    batch = pa.RecordBatch.from_arrays(_columns(rows, origins, ids, splits), schema=_ARROW)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _ARROW) as writer:
        writer.write_batch(batch)
    return Frame(
        table=sink.getvalue().to_pybytes(),
        trace_ids=ids,
        row_digests=row_digests(rows.canonical, splits),
        families=[trace.family() for trace in rows.traces],
        sources=origins.sources,
        lines=np.array(origins.lines, np.int64).tobytes(),
        rejects=rejects or [],
        redactions=redactions or {},
    )


def read_frame(frame: Frame) -> pa.Table:
    """Return the rows of a frame."""
    with pa.ipc.open_stream(frame.table) as reader:
        return reader.read_all()


def _columns(rows: CanonicalRows, origins: Origins, ids: bytes, splits: list[Split]) -> list[pa.Array]:
    traces, sources = rows.traces, origins.sources
    return [
        _hexadecimal(ids),
        _texts(splits),
        _texts([trace.trace_version for trace in traces]),
        _texts([trace.prompt for trace in traces]),
        _texts([trace.final_answer for trace in traces]),
        _steps(rows),
        _optional_texts(rows.metas),
        _texts([sources] * len(traces) if isinstance(sources, str) else sources),
        _numbers(origins.lines),
    ]


def _steps(rows: CanonicalRows) -> pa.ListArray:
    steps = [step for trace in rows.traces for step in trace.steps]
    columns = [
        _numbers([step.i for step in steps]),
        _texts([step.type for step in steps]),
        _texts([step.content for step in steps]),
    ]
    offsets = _offsets([len(trace.steps) for trace in rows.traces])
    return pa.ListArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), len(offsets), [None, pa.py_buffer(offsets)]),
        pa.StructArray.from_arrays(columns, fields=list(_STEP)),
    )


# `pa.array` of a list would do, but it imports pandas to look at it: a second in every process.
def _texts(texts: Sequence[str]) -> pa.StringArray:
    joined = "".join(texts)
    data = joined.encode()
    lengths = map(len, texts) if len(data) == len(joined) else (len(text.encode()) for text in texts)
    offsets = _offsets(list(lengths))
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data))


def _optional_texts(texts: Sequence[bytes | None]) -> pa.StringArray:
    offsets = _offsets([len(text or b"") for text in texts])
    data = pa.py_buffer(b"".join(filter(None, texts)))
    is_given = np.packbits(np.array([text is not None for text in texts], bool), bitorder="little")
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), data, pa.py_buffer(is_given))


def _numbers(values: Sequence[int]) -> pa.Array:
    array = np.fromiter(values, np.int64, len(values))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(array)])


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(np.fromiter(lengths, np.int32, len(lengths)), out=offsets[1:])
    return offsets


def _hexadecimal(ids: bytes) -> pa.StringArray:
    offsets = np.arange(len(ids) // ID_BYTES + 1, dtype=np.int32) * np.int32(TRACE_ID_LENGTH)
    text = pa.py_buffer(ids.hex().encode())
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), text)
