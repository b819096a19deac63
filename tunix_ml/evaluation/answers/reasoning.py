"""The reasoning in a text: its steps, the values it reaches, and whether they carry its answer."""

import functools
import re
from collections.abc import Iterable
from fractions import Fraction

from tunix_ml.evaluation.answers.quantities import parse_quantity
from tunix_ml.traces.answers import normalise_text, parse_number
from tunix_ml.traces.claims import Claim, find_claims
from tunix_ml.traces.expressions import NUMBER

_MARKS = re.compile(r"</?(?:reasoning|answer|think)>|^Reasoning:[ \t]*$", re.MULTILINE)
_NUMBERS = re.compile(rf"[-\u2212]?[$€£]?{NUMBER}")
_RESULTS = re.compile(rf"=\s*([-\u2212]?\s?[$€£]?{NUMBER})")
_HAS_WORD = re.compile(r"\w")


def reasoning_of(text: str, *, answer_start: int | None) -> str:
    """Return what stands before the answer, or all of a text without one; a template's marks are left out."""
    return _MARKS.sub("\n", text[:answer_start]).strip()


def reasoning_steps(reasoning: str) -> list[str]:
    """Return the lines that say something."""
    return [line.strip() for line in reasoning.splitlines() if _HAS_WORD.search(line)]


def share_of_true_claims(text: str) -> float | None:
    """Return the share of the claims `expression = value` that hold, None where nothing is claimed."""
    claims = _claims(text)
    return sum(claim.is_true for claim in claims) / len(claims) if claims else None


def share_of_results_reached(text: str, steps: Iterable[str]) -> float | None:
    """Return the share of the true steps' results that are results in the text too, None if they have none.

    A result is the value of a claim, or the number after an equals sign; the same value counts once.
    """
    wanted = frozenset[Fraction]().union(*map(_results, steps))
    return len(wanted & _results(text)) / len(wanted) if wanted else None


def is_supported(answer: str, reasoning: str, *, unit: str | None = None) -> bool:
    """Say whether an answer stands in the reasoning: as a number of the same size, or as the same words."""
    number = parse_quantity(answer, unit=unit)
    if number is not None:
        return abs(number[0]) in _sizes(reasoning)
    return _stands_in(normalise_text(answer), normalise_text(reasoning))


@functools.lru_cache(maxsize=256)
def _claims(text: str) -> tuple[Claim, ...]:
    return tuple(find_claims(text))


@functools.lru_cache(maxsize=256)
def _results(text: str) -> frozenset[Fraction]:
    stated = {claim.stated for claim in _claims(text)}
    read = {number[0] for match in set(_RESULTS.findall(text)) if (number := parse_number(match))}
    return frozenset(value for value in stated | read if value is not None)


def _stands_in(words: str, text: str) -> bool:
    """Say whether some words stand in a text with no letter or digit next to them."""
    start = text.find(words) if words else -1
    while start >= 0:
        around = text[max(0, start - 1) : start] + text[start + len(words) : start + len(words) + 1]
        if not any(char.isalnum() for char in around):
            return True
        start = text.find(words, start + 1)
    return False


def _sizes(text: str) -> set[Fraction]:
    found = (parse_number(token.lstrip("-\u2212")) for token in set(_NUMBERS.findall(text)))
    return {number[0] for number in found if number is not None}
