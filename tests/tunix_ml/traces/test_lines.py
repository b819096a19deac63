import gzip
import hashlib
import tracemalloc

import pytest

from tunix_ml.traces.lines import MAX_LINE_BYTES, Line, LongLine, SourceError, read_lines


def lines_of(tmp_path, data: bytes, name: str = "a.jsonl"):
    path = tmp_path / name
    path.write_bytes(data)
    return list(read_lines(path))


def test_lines_bear_their_number_and_offset(tmp_path):
    assert lines_of(tmp_path, b"ab\n\nc") == [
        Line(1, 0, b"ab", is_terminated=True),
        Line(2, 3, b"", is_terminated=True),
        Line(3, 4, b"c", is_terminated=False),
    ]


def test_an_empty_file_has_no_lines(tmp_path):
    assert lines_of(tmp_path, b"") == []


def test_a_carriage_return_belongs_to_the_line_end(tmp_path):
    first, second = lines_of(tmp_path, b"ab\r\ncd\r\n")

    assert (first.content, second.content, second.byte_offset) == (b"ab", b"cd", 4)


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0b", "\x0c", "\r", "\x1e"])
def test_only_a_newline_ends_a_line(tmp_path, separator):
    assert len(lines_of(tmp_path, f"a{separator}b\n".encode())) == 1


def test_a_byte_order_mark_at_the_start_of_the_file_belongs_to_no_line(tmp_path):
    first, second = lines_of(tmp_path, b"\xef\xbb\xbfab\n\xef\xbb\xbfcd\n")

    assert (first.content, first.byte_offset) == (b"ab", 3)
    assert (second.content, second.byte_offset) == (b"\xef\xbb\xbfcd", 6)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_of_just_the_limit_is_whole(tmp_path, end):
    (line,) = lines_of(tmp_path, b"x" * MAX_LINE_BYTES + end)

    assert line == Line(1, 0, b"x" * MAX_LINE_BYTES, is_terminated=bool(end))


@pytest.mark.parametrize("extra", [1, 2, 3, MAX_LINE_BYTES, 3 * MAX_LINE_BYTES + 7])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_longer_line_is_skipped_to_its_newline(tmp_path, extra, end):
    content = b"y" * (MAX_LINE_BYTES + extra)

    long_line, *rest = lines_of(tmp_path, b"ab\n" + content + end + (b"cd\n" if end else b""))[1:]

    digest = hashlib.sha256(content).hexdigest()
    assert long_line == LongLine(2, 3, content[:1024], len(content), digest)
    assert rest == ([Line(3, 3 + len(content) + len(end), b"cd", is_terminated=True)] if end else [])


def test_gzip_gives_the_same_lines(tmp_path):
    data = b"ab\r\n" + b"z" * (2 * MAX_LINE_BYTES) + b"\ncd"

    assert lines_of(tmp_path, gzip.compress(data), "a.jsonl.gz") == lines_of(tmp_path, data)


def test_a_gzip_bomb_costs_no_memory(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(100):
            file.write(bytes(1 << 20))

    tracemalloc.start()
    (line,) = read_lines(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert line.num_bytes == 100 << 20
    assert peak < 12 << 20


def test_a_gzip_stream_cut_anywhere_is_an_error_that_names_file_and_place(tmp_path):
    whole = gzip.compress(b"".join(b'{"n": %d}\n' % number for number in range(500)))

    for length in (0, 5, 12, len(whole) // 2, len(whole) - 4, len(whole) - 1):
        with pytest.raises(SourceError, match=r"cut\.jsonl\.gz cannot be read beyond line \d+ \(at byte \d+"):
            lines_of(tmp_path, whole[:length], "cut.jsonl.gz")


def test_a_flipped_bit_in_gzip_data_is_an_error(tmp_path):
    whole = bytearray(gzip.compress(b"".join(b'{"n": %d}\n' % (number**3) for number in range(500))))
    whole[len(whole) // 2] ^= 4

    with pytest.raises(SourceError):
        lines_of(tmp_path, bytes(whole), "flipped.jsonl.gz")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"none\.jsonl cannot be read"):
        list(read_lines(tmp_path / "none.jsonl"))
