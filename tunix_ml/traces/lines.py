"""The lines of a JSONL file, plain or gzip, in bounded memory; nothing is decoded here."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from tunix_ml.contracts.base import ContractError

MAX_LINE_BYTES = 1 << 20
_READ_BYTES = MAX_LINE_BYTES + len(b"\r\n")
_LONG_START_BYTES = 1_024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class SourceError(ContractError):
    """A source as a whole cannot be read; the message names the file and where."""


class Line(NamedTuple):
    """One line without its line end; the offset counts decompressed bytes."""

    number: int
    byte_offset: int
    content: bytes
    is_terminated: bool


class LongLine(NamedTuple):
    """What is kept of a line beyond MAX_LINE_BYTES: its first bytes, its size and its digest."""

    number: int
    byte_offset: int
    start: bytes
    num_bytes: int
    sha256: str


def read_lines(path: Path) -> Iterator[Line | LongLine]:
    r"""Yield the lines of a file, split at b"\n" only; one b"\r" before it belongs to the line end.

    A byte order mark at the start of the file belongs to no line. A name ending in `.gz` means gzip.

    Raises:
        SourceError: the file cannot be read, or its gzip stream is corrupt or cut off.
    """
    number, offset = 0, 0
    try:
        with open_source(path) as stream:
            for line in split_lines(stream):
                number, offset = line.number, line.byte_offset
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path} cannot be read beyond line {number} (at byte {offset} of its content): {error}"
        ) from error


def open_source(path: Path) -> BinaryIO:
    """Open a file for reading; a name ending in `.gz` means gzip."""
    if path.suffix != ".gz":
        return path.open("rb")
    if path.stat().st_size == 0:
        raise EOFError("an empty file is no gzip stream")
    return cast("BinaryIO", gzip.open(path, "rb"))


def split_lines(stream: BinaryIO, *, number: int = 1, byte_offset: int = 0) -> Iterator[Line | LongLine]:
    """Yield the lines of a stream; `number` and `byte_offset` are those of its first line."""
    number, offset, start = number - 1, byte_offset, byte_offset - stream.tell()
    # readline with a limit is what bounds the memory, of a gzip bomb too.
    while chunk := stream.readline(_READ_BYTES):
        number += 1
        end = offset + len(chunk)
        if offset == 0 and chunk.startswith(BYTE_ORDER_MARK):
            offset, chunk = len(BYTE_ORDER_MARK), chunk.removeprefix(BYTE_ORDER_MARK)
        content = _without_line_end(chunk)
        if len(content) <= MAX_LINE_BYTES:
            yield Line(number, offset, content, chunk.endswith(b"\n"))
        else:
            yield skip_long_line(stream, chunk, number=number, byte_offset=offset)
            end = start + stream.tell()
        offset = end


def _without_line_end(chunk: bytes) -> bytes:
    return chunk[:-1].removesuffix(b"\r") if chunk.endswith(b"\n") else chunk


def skip_long_line(stream: BinaryIO, start: bytes, *, number: int, byte_offset: int) -> LongLine:
    """Read a line to its end that has begun with `start`, and return what is kept of it."""
    digest, num_bytes, piece = hashlib.sha256(), 0, start
    while not piece.endswith(b"\n") and (chunk := stream.readline(_READ_BYTES)):
        # A carriage return is held back: the newline may stand in the next chunk.
        body = piece.removesuffix(b"\r")
        digest.update(body)
        num_bytes += len(body)
        piece = piece[len(body) :] + chunk
    digest.update(_without_line_end(piece))
    num_bytes += len(_without_line_end(piece))
    return LongLine(number, byte_offset, start[:_LONG_START_BYTES], num_bytes, digest.hexdigest())
