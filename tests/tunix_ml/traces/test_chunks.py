import gzip
from pathlib import Path

import pytest

from tunix_ml.traces.chunks import Chunk, LongChunk, read_chunks
from tunix_ml.traces.lines import MAX_LINE_BYTES, SourceError, read_lines

LINES = [b"{}", b"", b"  ", b'{"a": 1}\r', b"x" * 300, b"\xff", b"last"]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 64, 299, 1 << 18])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_chunks_of_any_size_hold_the_lines_of_the_file(
    tmp_path: Path, chunk_bytes: int, start: bytes, end: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(start + b"\n".join(LINES) + end)

    chunks = read_chunks(path, chunk_bytes=chunk_bytes)

    assert [line for chunk in chunks for line in chunk.lines()] == list(read_lines(path))


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 3, 3 << 20])
@pytest.mark.parametrize("end", [b"", b"\r", b"\r\n", b"\n", b"\nnext\n"])
def test_a_long_line_is_the_same_in_chunks(tmp_path: Path, excess: int, end: bytes) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"first\n" + b"x" * (MAX_LINE_BYTES + excess) + end, compresslevel=1))

    chunks = list(read_chunks(path, chunk_bytes=1 << 16))

    assert [line for chunk in chunks for line in chunk.lines()] == list(read_lines(path))
    assert excess < 1 << 20 or any(isinstance(chunk, LongChunk) for chunk in chunks)
    assert all(
        len(chunk.content) <= MAX_LINE_BYTES + 2 + (1 << 16) for chunk in chunks if isinstance(chunk, Chunk)
    )


def test_a_stream_that_is_cut_off_is_an_error_that_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b'{"n": %d}\n' % n for n in range(50_000)))[:-30])

    with pytest.raises(
        SourceError, match=r"a\.jsonl\.gz cannot be read beyond line \d+ \(at byte \d+ of its"
    ):
        list(read_chunks(path, chunk_bytes=1 << 12))


def test_an_empty_file_has_no_chunk(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")

    assert list(read_chunks(tmp_path / "a.jsonl")) == []
