import hashlib

from tunix_ml.traces.decode import LineError
from tunix_ml.traces.lines import Line, LongLine
from tunix_ml.traces.rejects import duplicate_error, reject_line, reject_long_line


def test_a_reject_has_the_place_the_digest_and_the_start_of_its_line() -> None:
    reject = reject_line(Line(3, 40, b"{\x1b}", True), "a.jsonl", LineError("invalid_json", "no\x1bgood"))

    assert (reject.source, reject.line, reject.byte_offset, reject.code) == ("a.jsonl", 3, 40, "invalid_json")
    assert reject.sha256 == hashlib.sha256(b"{\x1b}").hexdigest()
    assert reject.message.isprintable()
    assert reject.excerpt == r"{\x1b}"


def test_the_reject_of_a_line_that_is_too_long_has_the_size_and_the_digest_of_all_of_it() -> None:
    reject = reject_long_line(LongLine(2, 9, b"start", 5_000_000, "ab" * 32), "a.jsonl")

    assert (reject.line, reject.byte_offset, reject.code) == (2, 9, "line_too_long")
    assert (reject.sha256, reject.excerpt) == ("ab" * 32, "start")
    assert "5000000 bytes" in reject.message


def test_a_duplicate_names_the_place_of_the_first() -> None:
    error = duplicate_error(line=7, source="b.jsonl")

    assert (error.code, error.message) == ("duplicate_trace", "the same content as line 7 of b.jsonl")
