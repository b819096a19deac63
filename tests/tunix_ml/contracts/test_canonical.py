import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.canonical import canonical_json, file_sha256, record_digest, set_digest, sha256_hex

DIGESTS = st.lists(st.integers(0, 9).map(lambda number: sha256_hex(bytes([number]))))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"null"),
        (True, b"true"),
        (0, b"0"),
        (-0.0, b"0"),
        (1.0, b"1"),
        (4.50, b"4.5"),
        (2e-3, b"0.002"),
        (1e-6, b"0.000001"),
        (1e-7, b"1e-7"),
        (1e-27, b"1e-27"),
        (1e20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (1e30, b"1e+30"),
        (333333333.33333329, b"333333333.3333333"),
        (5e-324, b"5e-324"),
        (2**53 - 1, b"9007199254740991"),
        ('\u20ac$\u000f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()),
        ("\b\t\f\r\x00\x7f", b'"\\b\\t\\f\\r\\u0000\x7f"'),
        ([], b"[]"),
        ({}, b"{}"),
        ([56, {"d": True, "10": None, "1": []}], b'[56,{"1":[],"10":null,"d":true}]'),
        ({"aa": 1, "a": 2, "": 3, "B": 4}, b'{"":3,"B":4,"a":2,"aa":1}'),
    ],
)
def test_values_have_the_canonical_form_of_the_standard(value: Any, expected: bytes) -> None:
    assert canonical_json(value) == expected


def test_keys_are_sorted_by_their_utf_16_units() -> None:
    """The example of RFC 8785, section 3.2.3: by code points the smiley would come last."""
    values = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}

    assert canonical_json(values) == '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'.encode()


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), [math.nan], {"a": math.inf}]
)
def test_numbers_without_a_canonical_form_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json(value)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(-9, 9)))
def test_a_record_digest_ignores_the_order_of_keys(record: dict[str, int]) -> None:
    assert record_digest(record) == record_digest(dict(reversed(record.items())))


@pytest.mark.parametrize(
    "other", [{"a": 2}, {"b": 1}, {"a": "1"}, {"a": 1, "b": None}, {"a": [1]}, [["a", 1]]]
)
def test_a_record_digest_changes_with_any_value(other: Any) -> None:
    assert record_digest({"a": 1}) != record_digest(other)


def test_a_record_digest_is_that_of_the_canonical_bytes() -> None:
    assert record_digest({"b": 1.0, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()


@given(DIGESTS, st.randoms())
def test_a_set_digest_ignores_order(digests: list[str], random: Any) -> None:
    shuffled = random.sample(digests, len(digests))

    assert set_digest(digests) == set_digest(shuffled)


@given(DIGESTS.filter(bool))
def test_a_set_digest_counts_duplicates(digests: list[str]) -> None:
    assert set_digest(digests) != set_digest([*digests, digests[0]])


def test_a_set_digest_is_that_of_the_sorted_lines() -> None:
    assert set_digest(iter(["b", "a"])) == hashlib.sha256(b"a\nb\n").hexdigest()
    assert set_digest([]) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_digest_is_that_of_all_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    (tmp_path / "file").write_bytes(data)

    assert file_sha256(tmp_path / "file") == sha256_hex(data) == hashlib.sha256(data).hexdigest()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(json_values)
def test_the_fast_way_gives_the_bytes_of_the_standards_library(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)
