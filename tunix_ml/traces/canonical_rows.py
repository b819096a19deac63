"""Traces in the order of their canonical form, decoded many at a time.

What is decoded here is what the strict reader of single lines would have made of it; whatever looks unusual
in any way is left to that reader.
"""

import re
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.trace import Trace, TraceStep


class CanonicalStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A `TraceStep` whose fields stand in the order of their names."""

    content: Annotated[str, Meta(min_length=1, max_length=20_000)]
    i: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    type: Annotated[str, Meta(min_length=1, max_length=64)]


# Plain values cannot refer to each other in a circle, so the collector need not look at them.
class CanonicalTrace(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A `Trace` whose fields stand in the order of their names: encoded as it is, it is canonical."""

    final_answer: Annotated[str, Meta(min_length=1, max_length=50_000)]
    meta: dict[str, Any] | UnsetType | None = UNSET
    prompt: Annotated[str, Meta(min_length=1, max_length=50_000)]
    steps: Annotated[tuple[CanonicalStep, ...], Meta(min_length=1, max_length=1_000)]
    trace_version: Annotated[str, Meta(min_length=1, max_length=64)]

    def family(self) -> str:
        """Return the family that meta names, `all` if it names none."""
        family = self.meta.get("family") if self.meta else None
        return family if isinstance(family, str) and family else "all"


class CanonicalRows(NamedTuple):
    """Traces, and the canonical JSON of each and of its meta (None for a trace without one)."""

    traces: list[CanonicalTrace]
    canonical: list[bytes]
    metas: list[bytes | None]


_decode_lines = msgspec.json.Decoder(CanonicalTrace).decode_lines
_encode = msgspec.json.Encoder(order="deterministic").encode
# NUL is refused, and a quote written like this cannot be counted.
_NUL_OR_QUOTE = re.compile(rb"\\u00(?:00|22)")
# Floats and integers of sixteen digits, of which RFC 8785 has its own spelling.
_OTHER_NUMBER = re.compile(rb"[:\[,]-?(?:\d+[.eE]|\d{16})")
# What opens must close: with fewer brackets nothing comes near the depth that is allowed.
_MOST_BRACKETS = 100
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}\n"))


def decode_rows(content: bytes) -> CanonicalRows | None:
    """Return the traces of some lines, one for each, or None if any of them may need a closer look."""
    num_lines = content.count(b"\n") + 1
    # No JSON has a closing brace before an opening one: every line end is then the end of one value.
    if content.count(b"}\n{") != num_lines - 1 or (b"\\u00" in content and _NUL_OR_QUOTE.search(content)):
        return None
    try:
        traces = _decode_lines(content)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    if len(traces) != num_lines or not _keep_their_rules(traces):
        return None
    num_quotes_left_out = 2 * _set_missing_metas(traces)
    rows = encode_rows(traces)
    # A repeated key is dropped by the decoder, and its quotes with it.
    if rows is None or content.count(b'"') + num_quotes_left_out != b"".join(rows.canonical).count(b'"'):
        return None
    return rows


def encode_rows(traces: list[CanonicalTrace]) -> CanonicalRows | None:
    """Return the canonical JSON of traces, or None if one has none or is nested suspiciously deep."""
    canonical = [_encode(trace) for trace in traces]
    metas = [None if trace.meta is None else _encode(trace.meta) for trace in traces]
    joined = b"\n".join(filter(None, metas))
    if max(map(len, joined.translate(None, _NO_BRACKETS).split(b"\n"))) > _MOST_BRACKETS:
        return None
    # Meta alone can hold what has two spellings: numbers that are no small integers, keys beyond ASCII.
    if not joined.isascii() or _OTHER_NUMBER.search(joined):
        try:
            for index, meta in enumerate(metas):
                if meta is not None and (not meta.isascii() or _OTHER_NUMBER.search(meta)):
                    metas[index] = canonical_json(traces[index].meta)
                    canonical[index] = canonical_json(msgspec.to_builtins(traces[index]))
        except ValueError:
            return None
    return CanonicalRows(traces, canonical, metas)


def to_canonical(trace: Trace) -> CanonicalTrace:
    """Return the same trace with its fields in the order of their names."""
    steps = tuple(CanonicalStep(step.content, step.i, step.type) for step in trace.steps)
    return CanonicalTrace(
        final_answer=trace.final_answer,
        meta=trace.meta,
        prompt=trace.prompt,
        steps=steps,
        trace_version=trace.trace_version,
    )


def from_canonical(trace: CanonicalTrace) -> Trace:
    """Return the same trace with its fields in the order of the contract."""
    steps = tuple(TraceStep(step.i, step.type, step.content) for step in trace.steps)
    meta = None if isinstance(trace.meta, UnsetType) else trace.meta
    return Trace(trace.trace_version, trace.prompt, trace.final_answer, steps, meta)


def _keep_their_rules(traces: list[CanonicalTrace]) -> bool:
    """Say whether no text is blank and no step number is repeated within its trace."""
    strip = str.strip
    # Lists are a fifth faster here than generators.
    return (
        all([strip(step.content) for trace in traces for step in trace.steps])  # noqa: C419
        and all([strip(trace.prompt) and strip(trace.final_answer) for trace in traces])  # noqa: C419
        and all([_are_unique([step.i for step in trace.steps]) for trace in traces])  # noqa: C419
    )


def _are_unique(numbers: list[int]) -> bool:
    return len(set(numbers)) == len(numbers)


def _set_missing_metas(traces: list[CanonicalTrace]) -> int:
    missing = [trace for trace in traces if trace.meta is UNSET]
    for trace in missing:
        trace.meta = None
    return len(missing)
