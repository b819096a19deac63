"""Rejects of lines: what is wrong, where, and the start of what stood there."""

from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.reject import Reject
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.excerpts import excerpt, printable
from tunix_ml.traces.lines import MAX_LINE_BYTES, Line, LongLine

_MESSAGE_CHARACTERS = 600


def duplicate_error(*, line: int, source: str) -> LineError:
    """Return what is wrong with a line whose content stands at an earlier place."""
    return LineError("duplicate_trace", f"the same content as line {line} of {source}")


def reject_line(line: Line, source: str, error: LineError) -> Reject:
    """Return the reject of one line."""
    return Reject(
        source=source,
        line=line.number,
        byte_offset=line.byte_offset,
        code=error.code,
        message=printable(error.message[:_MESSAGE_CHARACTERS]),
        sha256=sha256_hex(line.content),
        excerpt=excerpt(line.content),
    )


def reject_long_line(line: LongLine, source: str) -> Reject:
    """Return the reject of a line that is longer than a line may be."""
    return Reject(
        source=source,
        line=line.number,
        byte_offset=line.byte_offset,
        code="line_too_long",
        message=f"the line has {line.num_bytes} bytes, expected at most {MAX_LINE_BYTES}",
        sha256=line.sha256,
        excerpt=excerpt(line.start),
    )
