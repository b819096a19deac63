"""The lines of a JSONL file in chunks of hundreds of lines, so that many lines can be read at once."""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tunix_ml.traces.arrays import array_lines, is_array
from tunix_ml.traces.lines import (
    BYTE_ORDER_MARK,
    MAX_LINE_BYTES,
    Line,
    LongLine,
    SourceError,
    open_source,
    skip_long_line,
    split_lines,
)

# What is made of a larger one no longer stays in the cache: measured 1.2 times slower at a mebibyte.
CHUNK_BYTES = 1 << 18


class Chunk(NamedTuple):
    """Whole lines of a file, with the number of the first and its offset in the decompressed bytes."""

    source: str
    number: int
    byte_offset: int
    content: bytes

    def lines(self) -> Iterator[Line | LongLine]:
        """Yield its lines as `read_lines` does."""
        return split_lines(io.BytesIO(self.content), number=self.number, byte_offset=self.byte_offset)

    def numbered_lines(self) -> dict[int, Line]:
        """Return its lines by their number, without those that are longer than a line may be."""
        return {line.number: line for line in self.lines() if isinstance(line, Line)}


class LongChunk(NamedTuple):
    """One line that is longer than a line may be, of which the start is kept."""

    source: str
    line: LongLine

    def lines(self) -> Iterator[Line | LongLine]:
        """Yield that line."""
        yield self.line

    def numbered_lines(self) -> dict[int, Line]:
        """Return nothing: its line is longer than a line may be."""
        return {}


def read_chunks(path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk | LongChunk]:
    """Yield a file's lines; where one chunk ends and the next begins is nobody's concern.

    A `.json` file with an array is read as if each of its records stood on a line of its own.

    Raises:
        SourceError: the file cannot be read, or its gzip stream is corrupt or cut off.
    """
    number, offset = 0, 0
    try:
        with io.BytesIO(array_lines(path)) if is_array(path) else open_source(path) as stream:
            for chunk in _split(stream, path.name, chunk_bytes):
                yield chunk
                if isinstance(chunk, Chunk):
                    number = chunk.number + chunk.content.count(b"\n")
                    offset = chunk.byte_offset + len(chunk.content)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path} cannot be read beyond line {number} (at byte {offset} of its content): {error}"
        ) from error


def _split(stream: BinaryIO, source: str, chunk_bytes: int) -> Iterator[Chunk | LongChunk]:
    start = stream.read(len(BYTE_ORDER_MARK))
    carry = start.removeprefix(BYTE_ORDER_MARK)
    number, offset = 1, len(start) - len(carry)
    while block := stream.read(chunk_bytes):
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            content = carry + head + newline
            yield Chunk(source, number, offset, content)
            number, offset, carry = number + content.count(b"\n"), offset + len(content), tail
        else:
            carry += tail
        if len(carry) > MAX_LINE_BYTES + 1:
            # Its end may be far away: it is read on in pieces, and never held as a whole.
            yield LongChunk(source, skip_long_line(stream, carry, number=number, byte_offset=offset))
            number, offset, carry = number + 1, stream.tell(), b""
    if carry:
        yield Chunk(source, number, offset, carry)
