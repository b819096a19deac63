"""Lists and sets of answers: split, and compared element by element as numbers or as texts."""

import re
from collections import Counter
from collections.abc import Hashable
from typing import NamedTuple

from tunix_ml.evaluation.answers.latex import plain
from tunix_ml.evaluation.answers.quantities import parse_quantity
from tunix_ml.traces.answers import normalise_text

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_LIST_BRACKETS = frozenset({"", "(", "["})
_SET_BRACKETS = frozenset({"", "{", "["})
_SEPARATORS = r"(?P<separator>[;\n]|\band\b|{comma})|[()\[\]{{}}]"
_EVERY_COMMA = re.compile(_SEPARATORS.format(comma=","), re.IGNORECASE)
# A comma between a digit and exactly three more may stand between thousands.
_NO_THOUSANDS = re.compile(_SEPARATORS.format(comma=r"(?<!\d),|,(?!\d{3}(?!\d))"), re.IGNORECASE)
_AROUND_MARKS = re.compile(r"\s*([,;()\[\]{}])\s*")


class _Sequence(NamedTuple):
    bracket: str
    elements: tuple[Hashable, ...]


def is_same_list(given: str, expected: str, *, unit: str | None = None) -> bool:
    """Say whether two ordered lists are equal: `[1, 2]`, `(1,2)` or `1 and 2`, but not `{1, 2}`.

    The expected one is split at every comma, or, where it has a semicolon or a line end, keeps those between
    thousands; the given one may be meant either way.
    """
    wanted = _expected(expected, unit)
    allowed = _LIST_BRACKETS | {wanted.bracket}
    return any(
        found.bracket in allowed and found.elements == wanted.elements for found in _readings(given, unit)
    )


def is_same_set(given: str, expected: str, *, unit: str | None = None) -> bool:
    """Say whether two sets are equal: the same elements, in any order, each as often as in the other.

    `{1, 2}`, `[1, 2]` and `1 and 2` are read as sets, `(1, 2)` is not. Elements count: `{2, 2, 3}`, the
    prime factors of 12, is not `{2, 3}`.
    """
    wanted = _expected(expected, unit)
    allowed, counts = _SET_BRACKETS | {wanted.bracket}, Counter(wanted.elements)
    return any(
        found.bracket in allowed and Counter(found.elements) == counts for found in _readings(given, unit)
    )


def _expected(text: str, unit: str | None) -> _Sequence:
    has_marks = ";" in text or "\n" in text.strip()
    return _parse(text, unit, _NO_THOUSANDS if has_marks else _EVERY_COMMA)


def _readings(text: str, unit: str | None) -> list[_Sequence]:
    return [_parse(text, unit, marks) for marks in (_EVERY_COMMA, _NO_THOUSANDS)]


def _parse(text: str, unit: str | None, marks: re.Pattern[str]) -> _Sequence:
    bracket, body = _opened(plain(text).removesuffix(".").rstrip())
    pieces = _split(body, marks)
    return _Sequence(bracket, tuple(_key(piece, unit) for piece in pieces if piece.strip()))


def _opened(text: str) -> tuple[str, str]:
    """Return the bracket that encloses the whole text, if there is one, and what it encloses."""
    if not text or _BRACKETS.get(text[0]) != text[-1]:
        return "", text
    depth = 0
    for match in re.finditer(r"[()\[\]{}]", text):
        depth += 1 if match.group() in _BRACKETS else -1
        if depth == 0 and match.end() < len(text):
            return "", text
    return text[0], text[1:-1]


def _split(body: str, marks: re.Pattern[str]) -> list[str]:
    """Split at the separators that stand inside no bracket."""
    pieces, depth, start = [], 0, 0
    for match in marks.finditer(body):
        if match["separator"] is None:
            depth += 1 if match.group() in _BRACKETS else -1
        elif depth == 0:
            pieces.append(body[start : match.start()])
            start = match.end()
    return [*pieces, body[start:]]


def _key(element: str, unit: str | None) -> Hashable:
    number = parse_quantity(element, unit=unit)
    return number or _AROUND_MARKS.sub(r"\1", normalise_text(element))
