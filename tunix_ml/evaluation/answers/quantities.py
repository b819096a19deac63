"""Numbers as answers: with LaTeX's spelling undone and the item's own unit left away."""

from fractions import Fraction

from tunix_ml.evaluation.answers.latex import plain, plain_fraction
from tunix_ml.traces.answers import parse_number

_LONG_ENOUGH_FOR_ANY_CASE = 4
_DEGREES = ("°", "degrees", "degree")


def parse_quantity(text: str, *, unit: str | None = None) -> tuple[Fraction, str] | None:
    """Return the exact value of a number and `%` or nothing, None if the text is not one number.

    The unit may follow; another one makes it no number. `10%` is 10 where the unit is `%`.
    """
    return parse_number(plain_fraction(without_unit(plain(text), unit)))


def without_unit(text: str, unit: str | None) -> str:
    """Return a text without the unit at its end.

    A unit of up to three letters has its case (`mW` is not `MW`), a longer one is a word.
    """
    if unit is None:
        return text
    bare = text.strip().removesuffix(".").rstrip()
    for spelling in _DEGREES if unit in _DEGREES else (unit.strip(),):
        head, tail = bare[: -len(spelling)], bare[-len(spelling) :]
        is_word = len(spelling) >= _LONG_ENOUGH_FOR_ANY_CASE
        if tail == spelling or (is_word and tail.casefold() == spelling.casefold()):
            return head.rstrip()
    return text
