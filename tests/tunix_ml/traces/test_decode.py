import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.traces.decode import MAX_DEPTH, LineError, decode_record

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
RECORDS = st.dictionaries(TEXTS, VALUES, max_size=5)


def code_of(content: bytes, *, is_terminated: bool = True) -> str:
    with pytest.raises(LineError) as caught:
        decode_record(content, is_terminated=is_terminated)
    return caught.value.code


@given(RECORDS, st.booleans(), st.sampled_from([None, (",", ":"), (" , ", " : ")]))
def test_valid_json_decodes_as_the_standard_library_does(record, ascii_only, separators):
    text = json.dumps(record, ensure_ascii=ascii_only, separators=separators)

    assert decode_record(text.encode(), is_terminated=True) == json.loads(text)


@given(RECORDS, TEXTS, VALUES, VALUES, st.data())
def test_a_key_given_twice_is_found_at_any_depth(record, key, first, second, data):
    again = json.dumps(key, ensure_ascii=False)
    inner = f"{{{json.dumps(key)}: {json.dumps(first)}, {again}: {json.dumps(second)}}}"
    for wrap in data.draw(
        st.lists(st.sampled_from(['{"w": %s}', "[1, %s]", '{"q\\"": "\\u0022:", "w": %s}']))
    ):
        inner = wrap.replace("%s", inner)
    line = f'{{"record": {json.dumps(record)}, "inner": {inner}}}'

    assert code_of(line.encode()) == "duplicate_key"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"a": "\xff"}', "invalid_utf8"),
        (b'{"\xc3(": 1}', "invalid_utf8"),
        (b'{"a": "\xed\xa0\x80"}', "invalid_utf8"),
        (b"\xff\xfe{\x00", "invalid_utf8"),
        (b"{'a': 1}", "invalid_json"),
        (b'{"a": 1,}', "invalid_json"),
        (b'{"a": 01}', "invalid_json"),
        (b'{"a": 1} {"a": 1}', "invalid_json"),
        (b'{"a": "tab\there"}', "invalid_json"),
        (b'{"a": "\\ud800"}', "invalid_json"),
        (b'{"\\udc00x": 1}', "invalid_json"),
        (b'\xef\xbb\xbf{"a": 1}', "invalid_json"),
        (b'{"a": NaN}', "non_finite_number"),
        (b'{"a": [-Infinity]}', "non_finite_number"),
        (b'{"a": 1e999}', "non_finite_number"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "non_finite_number"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'{"a": 1, "\\u0061": 2}', "duplicate_key"),
        (b'{"a": [{"b": 1, "c": {}, "b": 2}]}', "duplicate_key"),
        (b'{"a" :1, "t": "\\u0022:", "a" :1}', "duplicate_key"),
        (b'{"a": "\\u0000"}', "nul_character"),
        (b'{"\\u0000": 1}', "nul_character"),
        (b'{"a": "\x00"}', "nul_character"),
        (b'{"a": 1}\x00', "nul_character"),
        (b"[" * 100_000, "nested_too_deep"),
        (b'{"a":' * 100_000, "nested_too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested_too_deep"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested_too_deep"),
        (b"[1, 2]", "contract"),
        (b'"text"', "contract"),
        (b"null", "contract"),
        ("\u00e9".join(['"', *"x" * 40, '"']).encode(), "contract"),
    ],
)
def test_each_defect_has_its_code(content, code):
    assert code_of(content) == code


@pytest.mark.parametrize(
    "content", [b"{", b'{"a": "x', b'{"a": 1', b'{"a": "\xe2\x82', b'{"a": tru', b"{} x"]
)
def test_a_last_line_that_breaks_off_is_truncated(content):
    assert code_of(content, is_terminated=False) == "truncated_line"


def test_a_whole_last_line_needs_no_newline():
    assert decode_record(b'{"a": 1}', is_terminated=False) == {"a": 1}


def test_nesting_up_to_the_limit_and_any_number_of_siblings_are_fine():
    deep = b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    wide = b'{"a": [' + b",".join([b"[{}]"] * 1_000) + b"]}"

    assert decode_record(deep, is_terminated=True)
    assert len(decode_record(wide, is_terminated=True)["a"]) == 1_000


def test_an_escaped_backslash_before_u0000_is_no_nul():
    assert decode_record(b'{"a": "\\\\u0000"}', is_terminated=True) == {"a": "\\u0000"}


def test_an_escaped_pair_of_surrogates_is_one_character():
    assert decode_record(b'{"a": "\\ud83d\\ude00"}', is_terminated=True) == {"a": "\U0001f600"}


def test_messages_say_where_and_what():
    with pytest.raises(LineError, match=r"byte 7 of the line \(ff 22 7d\) is not UTF-8: invalid start byte"):
        decode_record(b'{"a": "\xff"}', is_terminated=True)
    with pytest.raises(LineError, match="key 'b' is given 2 times in one object"):
        decode_record(b'{"b": 1, "b": 2}', is_terminated=True)
