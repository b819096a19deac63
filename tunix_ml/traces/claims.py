"""The arithmetic that a text claims, `expression = value`, found and recomputed exactly.

Where a reading is in doubt (a date, a unit between the numbers, `half of 8 * 2 = 8`) there is no claim:
better none than a false one.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tunix_ml.traces.expressions import MAX_CHARACTERS, NUMBER, SIGNS, NotAnExpressionError, Value, evaluate

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")
_SEGMENT = re.compile(rf"(?:{NUMBER}|[-+*/=()$€£%{SIGNS} \t]|(?<![^\W\d_])[xX](?![^\W\d_]))+")
_SYMBOLS = r"[\^√!&|~±≈<>≠≤≥%]"
_DOUBT_BEFORE = re.compile(
    rf"(?:[^\s\"\u201c\u2018«\[{{;!?—]|{_SYMBOLS}\s*|(?<!\w)[b-hj-z]\s+"
    r"|\b(?:of|than|times|plus|minus|over|by|dividing|multiplying|root|half|twice|double)\s+)\Z",
    re.IGNORECASE,
)
_DOUBT_AFTER = re.compile(
    rf"\w|[.,:'\u2019]\w|\s*{_SYMBOLS}|\s+[b-hj-z]\b"
    r"|\s+(?:(?:with\s+)?(?:a\s+)?remainder|rest|hundred|thousand|million|billion|dozen|percent|cents?"
    r"|times|plus|minus|over|squared|cubed)\b",
    re.IGNORECASE,
)
# After a word, `Week 2 = 35 + 35` names a week and `gains -2 + 5 = 3` may go on from the word.
_WORD_BEFORE = re.compile(r"[\w)]\s*\Z")
_LABEL_OR_SIGN = re.compile(r"[-\u2212\u2013]|[$€£]?[\d.,]+%?\Z")
_CONTEXT = 24
# What may stand at a segment's end and belong to the text after it.
_OPENING = " \t($€£"


class Claim(NamedTuple):
    """One `expression = value`; a side that divides by zero is None, and the claim false."""

    text: str
    stated: Fraction | None
    computed: Fraction | None
    is_true: bool


def find_claims(text: str) -> list[Claim]:
    """Return the claims of a text, those in GSM8K's `<<48/2=24>>` annotations first.

    `a = b = c` claims `a = b` and `b = c`. With a percent sign, `5 / 20 * 100 = 25%` and
    `5 / 20 = 25%` are both true. A rounded value is not the exact one, and false.
    """
    if "=" not in text:
        return []
    annotations = [claim for match in _ANNOTATION.finditer(text) for claim in _claims_in(match[1])]
    return annotations + list(_claims_in(_ANNOTATION.sub("", text)))


def _claims_in(text: str) -> Iterator[Claim]:
    for match in _SEGMENT.finditer(text):
        segment = match.group()
        if "=" in segment and len(segment) <= MAX_CHARACTERS:
            start = match.start() + len(segment) - len(segment.lstrip())
            end = match.start() + len(segment.rstrip(_OPENING))
            before = text[max(0, start - _CONTEXT) : start].rpartition("\n")[2]
            after = text[end : end + _CONTEXT].partition("\n")[0]
            yield from _claims_of_chain(_sides(text[start:end], before=before, after=after))


def _sides(chain: str, *, before: str, after: str) -> list[str]:
    """Split a chain at its equals signs; an outer side whose meaning the text around it changes is blank."""
    sides = [side.strip() for side in chain.split("=")]
    if _DOUBT_BEFORE.search(before) or (_WORD_BEFORE.search(before) and _LABEL_OR_SIGN.match(sides[0])):
        sides[0] = ""
    if _DOUBT_AFTER.match(after):
        sides[-1] = ""
    if sides[0].startswith("(") and sides[0].count("(") > sides[0].count(")"):
        sides[0] = sides[0][1:]
    if sides[-1].endswith(")") and sides[-1].count(")") > sides[-1].count("("):
        sides[-1] = sides[-1][:-1]
    return sides


def _claims_of_chain(sides: list[str]) -> Iterator[Claim]:
    for left, right in pairwise(sides):
        try:
            claim = _claim(left, right)
        except NotAnExpressionError:
            continue
        if claim is not None:
            yield claim


def _claim(left: str, right: str) -> Claim | None:
    computed, stated = evaluate(left), evaluate(right)
    if computed.num_operations + stated.num_operations == 0:
        return None
    is_true = _are_equal(computed, stated)
    if not is_true and "%" in left + right:
        one = Fraction(1)
        is_true = _are_equal(evaluate(left, percent=one), evaluate(right, percent=one))
    return Claim(f"{left} = {right}", stated.number, computed.number, is_true)


def _are_equal(computed: Value, stated: Value) -> bool:
    return computed.number is not None and computed.number == stated.number
