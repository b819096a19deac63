"""The bytes of one line, decoded strictly to a plain record.

msgspec refuses all that RFC 8259 refuses, and lone surrogates; duplicate keys, NUL and depth are
looked for here, at full cost only where a cheap count says that there may be something.
"""

import json
import math
from typing import Any, NoReturn

import msgspec

from tunix_ml.contracts.reject import RejectCode

MAX_DEPTH = 64
# Both the escapes of NUL and of the quote start like this.
_ESCAPE_START = b"\\u00"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class LineError(ValueError):
    """A line that becomes no trace: the code of its defect, and what is wrong in a sentence."""

    def __init__(self, code: RejectCode, message: str) -> None:
        super().__init__(message)
        self.code: RejectCode = code
        self.message = message


def decode_record(content: bytes, *, is_terminated: bool) -> dict[str, Any]:
    """Decode one line to the JSON object it holds.

    Raises:
        LineError: the line is anything else, has a key twice at any depth, a number beyond a float's
            range, a NUL character or more than MAX_DEPTH levels; `truncated_line` if it has no
            newline and ends before its JSON does.
    """
    try:
        record = _decode(content)
    except RecursionError:
        raise LineError("nested_too_deep", f"more than {MAX_DEPTH} levels are nested") from None
    except (msgspec.MsgspecError, ValueError) as error:
        _explain(content, is_terminated=is_terminated, cause=error)
    if content.count(b"[") + content.count(b"{") > MAX_DEPTH:
        _check_depth(record)
    if _ESCAPE_START in content:
        _check_no_nul(record)
        _check_keys(content)
    # msgspec keeps one of equal keys and drops a string with the other: its quotes are then missing.
    elif content.count(b'"') != _encode(record).count(b'"'):
        _check_keys(content)
    if type(record) is not dict:
        start = content[:40].decode(errors="replace")
        raise LineError("contract", f"the line holds {start!r}, expected an object")
    return record


def _check_depth(record: Any) -> None:
    depth, level = 0, [record]
    while level := [value for value in level if type(value) in {dict, list}]:
        depth += 1
        if depth > MAX_DEPTH:
            raise LineError("nested_too_deep", f"more than {MAX_DEPTH} levels are nested")
        level = [child for value in level for child in (value.values() if type(value) is dict else value)]


def _check_keys(content: bytes) -> None:
    # Numbers stay text: Python refuses integers of more than 4,300 digits.
    json.loads(content, object_pairs_hook=_refuse_repeated_key, parse_int=str, parse_float=str)


def _refuse_repeated_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise LineError(
            "duplicate_key", f"key {repeated!r:.80} is given {keys.count(repeated)} times in one object"
        )
    return value


def _check_no_nul(record: Any) -> None:
    pending = [record]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            pending.extend(value.keys())
            pending.extend(value.values())
        elif type(value) is list:
            pending.extend(value)
        elif type(value) is str and "\0" in value:
            raise LineError("nul_character", f"the text {value!r:.80} holds a NUL character")


def _explain(content: bytes, *, is_terminated: bool, cause: Exception) -> NoReturn:
    """Raise what is wrong with a line that msgspec refused."""
    text = _decode_text(content, is_terminated=is_terminated)
    if "\0" in text:
        raise LineError("nul_character", f"character {text.index(chr(0))} of the line is NUL")
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_finite)
        surrogate = _lone_surrogate(value)
    except RecursionError:
        raise LineError("nested_too_deep", f"more than {MAX_DEPTH} levels are nested") from None
    except json.JSONDecodeError as error:
        code: RejectCode = "invalid_json" if is_terminated else "truncated_line"
        raise LineError(
            code, f"{error.msg.removesuffix(' at')} at character {error.pos} of {len(text)}"
        ) from None
    message = f"{surrogate!r} is half of a surrogate pair" if surrogate else f"not JSON: {cause}"
    raise LineError("invalid_json", message)


def _decode_text(content: bytes, *, is_terminated: bool) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        is_cut = not is_terminated and error.reason == "unexpected end of data"
        code: RejectCode = "truncated_line" if is_cut else "invalid_utf8"
        found = content[error.start : error.start + 4].hex(" ")
        raise LineError(
            code, f"byte {error.start} of the line ({found}) is not UTF-8: {error.reason}"
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise LineError("non_finite_number", f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise LineError("non_finite_number", f"{text:.40} is beyond the range of a float")
    return number


def _lone_surrogate(value: Any) -> str | None:
    # Keys and texts in one; the escapes of valid pairs are already joined.
    characters = json.dumps(value, ensure_ascii=False)
    return next((character for character in characters if "\ud800" <= character <= "\udfff"), None)
