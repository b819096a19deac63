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
        with _open(path) as stream:
            for line in _split(stream):
                number, offset = line.number, line.byte_offset
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path} cannot be read beyond line {number} (at byte {offset} of its content): {error}"
        ) from error


def _open(path: Path) -> BinaryIO:
    if path.suffix != ".gz":
        return path.open("rb")
    if path.stat().st_size == 0:
        raise EOFError("an empty file is no gzip stream")
    return cast("BinaryIO", gzip.open(path, "rb"))


def _split(stream: BinaryIO) -> Iterator[Line | LongLine]:
    number, offset = 0, 0
    # readline with a limit is what bounds the memory, of a gzip bomb too.
    while chunk := stream.readline(_READ_BYTES):
        number += 1
        end = offset + len(chunk)
        if number == 1 and chunk.startswith(BYTE_ORDER_MARK):
            offset, chunk = len(BYTE_ORDER_MARK), chunk.removeprefix(BYTE_ORDER_MARK)
        content = _without_line_end(chunk)
        if len(content) <= MAX_LINE_BYTES:
            yield Line(number, offset, content, chunk.endswith(b"\n"))
        else:
            yield _skip_long(stream, chunk, number=number, byte_offset=offset)
            end = stream.tell()
        offset = end


def _without_line_end(chunk: bytes) -> bytes:
    return chunk[:-1].removesuffix(b"\r") if chunk.endswith(b"\n") else chunk


def _skip_long(stream: BinaryIO, start: bytes, *, number: int, byte_offset: int) -> LongLine:
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
