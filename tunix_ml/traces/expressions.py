"""Exact values of small arithmetic expressions; nothing is ever executed.

Understood: integers, decimals, thousands commas, + - * x / and their typographic forms, brackets,
a currency sign before a number, a percent sign after it.
"""

import functools
import re
from fractions import Fraction
from typing import NamedTuple

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
# The typographic times, times, divided by, minus and minus.
SIGNS = "\u00d7\u00b7\u00f7\u2212\u2013"
MAX_CHARACTERS = 400
_MAX_DEPTH = 20
_TOKEN = re.compile(rf"\s*(?:(?P<number>[$€£]?{NUMBER}%?)|(?P<symbol>[-+*/()xX{SIGNS}]))")
_OPERATORS = str.maketrans(f"xX{SIGNS}", "****/--")
_FRACTION_AFTER_SLASH = re.compile(r"/\s+\d+/\d")
_LEADING_ZERO = re.compile(r"0\d")


class NotAnExpressionError(ValueError):
    """A text is not an expression of this small language."""


class Value(NamedTuple):
    """What an expression is worth (None after a division by zero) and how many operations it takes."""

    number: Fraction | None
    num_operations: int


# Within a dataset the same small sums come again and again.
@functools.lru_cache(maxsize=1 << 14)
def evaluate(text: str, *, percent: Fraction = Fraction(1, 100)) -> Value:
    """Return the exact value of an expression; a number with a percent sign counts times `percent`.

    Raises:
        NotAnExpressionError: the text is anything else, too long or too deeply nested.
    """
    if len(text) > MAX_CHARACTERS:
        raise NotAnExpressionError(f"{text!r:.60} is longer than {MAX_CHARACTERS} characters")
    parser = _Parser(_tokens(text), percent)
    try:
        number: Fraction | None = Fraction(parser.sum(depth=0))
    except ZeroDivisionError:
        number = None
    if number is not None and parser.tokens:
        raise NotAnExpressionError(f"{text!r:.60} has {parser.tokens[-1]!r} where an operator was expected")
    return Value(number, parser.num_operations)


def _tokens(text: str) -> list[str]:
    if _FRACTION_AFTER_SLASH.search(text):
        raise NotAnExpressionError(f"{text!r:.60} may divide by a fraction or twice")
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotAnExpressionError(f"{text!r:.60} is not arithmetic from character {position} on")
        position = match.end()
        symbol = match["number"] or match["symbol"].translate(_OPERATORS)
        # A minus that touches what follows may be a sign; one with a space after it is an operator only.
        is_operator = symbol == "-" and text[position : position + 1].isspace()
        tokens.append("- " if is_operator else symbol)
    return tokens


class _Parser:
    """Recursive descent over the tokens, which are consumed from the front."""

    def __init__(self, tokens: list[str], percent: Fraction) -> None:
        self.tokens = tokens[::-1]
        self.percent = percent
        self.num_operations = 0

    def sum(self, *, depth: int) -> int | Fraction:
        total = self._product(depth=depth)
        while (operator := self._take("+", "-", "- ")) is not None:
            self.num_operations += 1
            term = self._product(depth=depth)
            total = total + term if operator == "+" else total - term
        return total

    def _product(self, *, depth: int) -> int | Fraction:
        product = self._signed(depth=depth)
        while (operator := self._take("*", "/")) is not None:
            self.num_operations += 1
            factor = self._factor(depth=depth)
            product = product * factor if operator == "*" else Fraction(product) / factor
        return product

    def _signed(self, *, depth: int) -> int | Fraction:
        is_first = self.num_operations == 0 or depth > 0
        if is_first and self._take("-") is not None:
            return -self._factor(depth=depth)
        return self._factor(depth=depth)

    def _factor(self, *, depth: int) -> int | Fraction:
        if self._take("(") is not None:
            if depth == _MAX_DEPTH:
                raise NotAnExpressionError(f"more than {_MAX_DEPTH} brackets are open")
            inner = self.sum(depth=depth + 1)
            if self._take(")") is None:
                raise NotAnExpressionError("a bracket is not closed")
            return inner
        return self._number()

    def _number(self) -> int | Fraction:
        if not self.tokens or self.tokens[-1][-1] not in "0123456789%":
            raise NotAnExpressionError(f"a number was expected, not {self.tokens[-1:]}")
        token = self.tokens.pop().lstrip("$€£").replace(",", "")
        digits = token.rstrip("%")
        if _LEADING_ZERO.match(digits):
            raise NotAnExpressionError(f"{digits!r} starts with a zero, like a date or a clock")
        number = int(digits) if digits.isdecimal() else Fraction(digits)
        return number * self.percent if token.endswith("%") else number

    def _take(self, *symbols: str) -> str | None:
        return self.tokens.pop() if self.tokens and self.tokens[-1] in symbols else None
