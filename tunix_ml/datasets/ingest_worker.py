"""A process that turns chunks of a JSONL source into frames, for the one that started it.

    python -m tunix_ml.datasets.ingest_worker

It reads and writes frames on its standard input and output: eight bytes of length, then MessagePack. First
comes the job, then chunk after chunk until the input ends; each chunk is answered by one frame.
"""

import gc
import sys
from typing import Any, BinaryIO

import msgspec

from tunix_ml.contracts.recipe import JsonlSource, Redaction
from tunix_ml.contracts.trace import Split
from tunix_ml.datasets.columns import Frame, Origins, to_frame
from tunix_ml.datasets.redaction import clean_rows, withheld
from tunix_ml.traces.chunks import Chunk, LongChunk
from tunix_ml.traces.lines import Line
from tunix_ml.traces.parse import ParsedChunk, parse_chunk
from tunix_ml.traces.rejects import reject_line
from tunix_ml.worker import die_with_parent

_LENGTH_BYTES = 8


class Job(msgspec.Struct, frozen=True):
    """What all chunks have in common; source and redaction are their canonical JSON."""

    source: bytes
    shares: dict[Split, float]
    redaction: bytes | None = None


class Task(msgspec.Struct, frozen=True):
    """One chunk."""

    chunk: Chunk | None = None
    long_chunk: LongChunk | None = None


def frame_of(
    chunk: Chunk | LongChunk,
    source: JsonlSource,
    shares: dict[Split, float],
    *,
    redaction: Redaction | None = None,
) -> Frame:
    """Return the rows and rejects of a chunk."""
    parsed = parse_chunk(chunk, source)
    if redaction is not None:
        return _clean_frame(chunk, parsed, shares, redaction)
    origins = Origins(chunk.source, parsed.lines)
    return to_frame(parsed.rows, origins, shares=shares, rejects=parsed.rejects)


def _clean_frame(
    chunk: Chunk | LongChunk, parsed: ParsedChunk, shares: dict[Split, float], redaction: Redaction
) -> Frame:
    cleaned = clean_rows(parsed.rows, redaction)
    refused = {parsed.lines[place]: error for place, error in cleaned.refused.items()}
    rejects = [
        reject_line(line, chunk.source, refused[line.number])
        for line in (chunk.lines() if refused else ())
        if isinstance(line, Line) and line.number in refused
    ]
    rejects = sorted([*parsed.rejects, *rejects], key=lambda reject: reject.line)
    return to_frame(
        cleaned.rows,
        Origins(chunk.source, [parsed.lines[place] for place in cleaned.places]),
        shares=shares,
        rejects=withheld(rejects, redaction),
        redactions=cleaned.redactions,
    )


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message."""
    data = msgspec.msgpack.encode(message)
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """Read one message, None at the end of the stream."""
    length = stream.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    size = int.from_bytes(length, "big")
    data = stream.read(size)
    return data if len(data) == size else None


def main() -> None:
    """Answer chunks until the input ends."""
    die_with_parent()
    gc.disable()  # plain values only, and the process is short-lived
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    job = msgspec.msgpack.decode(receive(stdin) or b"", type=Job)
    source = JsonlSource.parse(job.source, subject="the job's source")
    redaction = Redaction.parse(job.redaction, subject="the job's redaction") if job.redaction else None
    while (data := receive(stdin)) is not None:
        task = msgspec.msgpack.decode(data, type=Task)
        chunk = task.chunk or task.long_chunk
        assert chunk is not None  # noqa: S101 - a task has one of both
        send(stdout, frame_of(chunk, source, job.shares, redaction=redaction))


if __name__ == "__main__":
    main()
