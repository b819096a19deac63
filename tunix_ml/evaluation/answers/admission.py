"""Which answers the solver of mathematics is asked about: not what cannot be one, told by a small scan.

A refusal is the same on every machine, a solver that runs out of time is not: what is refused here is
different from the expected answer, what the solver gives up on has no score.
"""

import math
import re
import unicodedata
from collections.abc import Callable

MAX_CHARACTERS = 400
# Written without a backslash these are read as with one, and not as products of their letters.
COMMANDS = (
    *("sqrt", "pi", "infty", "theta", "log", "ln", "exp", "max", "min", "gcd", "lcm"),
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
)
_MAX_DEPTH = 20
_MAX_DIGITS = 10_000
_MAX_FACTORIAL = 3_000
_MAX_REPEATED_FACTORIAL = 6
_MAX_EXPONENT_DIGITS = 3

_POWERS = re.compile(r"\d+[\s)}]*(?:(?:\^|\*\*)[\s({+-]*\d+\s*)+")
_FACTORIALS = re.compile(r"(\d+)[\s)}\]]*!")
_NESTED_FACTORIALS = re.compile(r"(\d+)(?:[\s)}\]]*!){2,}")
_SCIENTIFIC = re.compile(r"\d[eE][+-]?(\d+)")
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}")
_COMMAND = re.compile(r"\\(?:text\w*|math(?:rm|bf|it|bb|cal)|mbox|operatorname|begin|end)\s*\{[^{}]*\}")
_CONNECTIVES = frozenset({"and", "infinity", "inf", "percent"})
# What the reader would drop in silence or read otherwise: `x'` as x, `7!!` as the factorial of 5040.
_MISREAD = re.compile(r"[\"'\u2018\u2019\u201c\u201d]|\\[lc]?dots|\.\.\.|\u2026|\)\s*_|!\s*!")


def refusal(text: str, *, expected: str = "") -> str | None:
    """Return why a text is not given to the solver, None if it is.

    Words are refused that the expected answer does not hold: read as mathematics, `seat` is the product of
    the letters of `east`.
    """
    if len(text) > MAX_CHARACTERS:
        return f"has {len(text)} characters, more than {MAX_CHARACTERS}"
    checks: tuple[Callable[[str], str | None], ...] = (_characters, _nesting, _misread, _magnitude)
    reasons = (check(text) for check in checks)
    return next((reason for reason in reasons if reason), None) or _words(text, expected)


def _characters(text: str) -> str | None:
    for char in text:
        if char not in "\n\t" and unicodedata.category(char).startswith("C"):
            return f"holds the character U+{ord(char):04X}"
    return None


def _nesting(text: str) -> str | None:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return f"nests {deepest} brackets, more than {_MAX_DEPTH}" if deepest > _MAX_DEPTH else None


def _misread(text: str) -> str | None:
    match = _MISREAD.search(text)
    return f"holds {match.group()!r}, which cannot be read" if match else None


def _magnitude(text: str) -> str | None:
    for match in _POWERS.finditer(text):
        if _num_digits([int(number) for number in re.findall(r"\d+", match.group())]) > _MAX_DIGITS:
            return f"holds {match.group()!r:.40}, a number of more than {_MAX_DIGITS} digits"
    for match in _FACTORIALS.finditer(text):
        if _exceeds(match[1], _MAX_FACTORIAL):
            return f"holds {match.group()!r:.40}, more than the factorial of {_MAX_FACTORIAL}"
    for match in _NESTED_FACTORIALS.finditer(text):
        if _exceeds(match[1], _MAX_REPEATED_FACTORIAL):
            return f"holds {match.group()!r:.40}, the factorial of a large factorial"
    for match in _SCIENTIFIC.finditer(text):
        if len(match[1]) > _MAX_EXPONENT_DIGITS:
            return f"holds {match.group()!r:.40}, a number of more than {_MAX_DIGITS} digits"
    return None


def _num_digits(tower: list[int]) -> float:
    """Return about how many digits a tower of powers has, infinity for one that is out of hand."""
    exponent = tower[-1]
    for base in reversed(tower[:-1]):
        if base > 1 and (exponent > 4 * _MAX_DIGITS or exponent * math.log10(base) > _MAX_DIGITS):
            return math.inf
        exponent = base**exponent
    return math.log10(max(exponent, 1))


def _exceeds(digits: str, limit: int) -> bool:
    return len(digits.lstrip("0")) > len(str(limit)) or int(digits) > limit


def _words(text: str, expected: str) -> str | None:
    known = _CONNECTIVES.union(COMMANDS, _words_of(expected))
    unknown = sorted(_words_of(text) - known)
    return f"holds the word {unknown[0]!r:.40}" if unknown else None


def _words_of(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(_COMMAND.sub(" ", text))}
