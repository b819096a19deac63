"""Expressions read from LaTeX, every number in them exact; only the process of `solver_process` does so.

Text is read by latex2sympy's grammar, as math-verify reads formulas, and never by its reader of plain
expressions, which hands them to Python's `eval`.
"""

import re
from fractions import Fraction
from typing import Any

from latex2sympy2_extended import NormalizationConfig, normalize_latex
from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
from sympy import (
    Basic,
    Function,
    Integer,
    MatrixBase,
    Mul,
    Rational,
    Symbol,
)

from tunix_ml.evaluation.answers.admission import COMMANDS
from tunix_ml.evaluation.answers.latex import unwrapped

_NORMALIZATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
_SIGNS = str.maketrans(
    {
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "∞": r"\infty ",
        "\u222a": r"\cup ",
        "·": r"\cdot ",
        "√": r"\sqrt ",
        "²": "^{2}",
        "³": "^{3}",
        "°": r"^{\circ}",
    }
)
_REWRITES = (
    (re.compile(r"(?<=\d)\\[,!](?=\d{3}(?!\d))"), ""),  # the space between thousands
    (re.compile(r"\\text\s*\{\s*\}|\\displaystyle(?![a-zA-Z])|\\?\$|\\!"), " "),
    (re.compile(rf"(?<![\\a-zA-Z])({'|'.join(COMMANDS)})(?![a-zA-Z])"), r"\\\1"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\\sqrt\s*(?:(\d+)|\(([^()]*)\))"), r"\\sqrt{\1\2}"),
    (re.compile(r"(?<=\d)e(?=[+-]?\d)"), "E"),
)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_FRACTION = re.compile(r"\\frac\{\d+\}\{\d+\}")
_DIGITS = frozenset("0123456789.")

Value = Any  # Basic | MatrixBase, which have no types


class NotMathematics(ValueError):
    """A text cannot be read as an expression, or only by guessing."""


def read(text: str, *, is_real: bool = True) -> Value:
    """Return the value of a text; `is_real` says what its variables stand for.

    Raises:
        NotMathematics: the text is no expression, or one that may be read in two ways.
    """
    latex = unwrapped(text).translate(_SIGNS)
    if _GROUPED.fullmatch(latex):
        latex = latex.replace(",", "")
    for pattern, replacement in _REWRITES:
        latex = pattern.sub(replacement, latex)
    try:
        value = _Reader(is_real=is_real, convert_degrees=True).parse(normalize_latex(latex, _NORMALIZATION))
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # lexer, grammar and converter each raise their own
        raise NotMathematics(f"{text!r:.80} cannot be read as mathematics") from error
    if not isinstance(value, Basic | MatrixBase):
        raise NotMathematics(f"{text!r:.80} is no single value")
    return value


class _Reader(_Latex2Sympy):  # type: ignore[misc]
    """The converter of latex2sympy2_extended 1.11, with its misreadings of numbers put right.

    It adds an integer and any number beside it, `2(3)` and `2 3` both to 5; it drops the base of `1010_2`;
    it rounds decimals, and makes every number by `eval`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factors: dict[Any, Any] = {}
        self._products: dict[Any, Any] = {}

    def parse_number(self, text: str) -> Rational:
        value = Fraction(text.replace(",", ""))
        return Rational(value.numerator, value.denominator)

    def convert_atom(self, atom: Any) -> Any:
        number = atom.number_subexpr()
        if number is not None and number.subexpr() is not None:
            base = Symbol(number.subexpr().getText().strip("_{}"))
            return Function("digits")(self.parse_number(number.NUMBER().getText()), base)
        return super().convert_atom(atom)

    def convert_postfix(self, postfix: Any) -> Any:
        if postfix not in self._factors:
            self._factors[postfix] = super().convert_postfix(postfix)
        return self._factors[postfix]

    def convert_postfix_list(self, arr: list[Any], i: int = 0) -> Any:
        if arr[i] not in self._products:
            self._products[arr[i]] = self._product(arr, i)
        return self._products[arr[i]]

    def _product(self, factors: list[Any], i: int) -> Any:
        """Return what stands side by side from factor i on: a mixed number, or a product."""
        if i + 1 == len(factors):
            return super().convert_postfix_list(factors, i)
        left, right = factors[i].getText(), "".join(factor.getText() for factor in factors[i + 1 :])
        if left[-1] in _DIGITS and right[0] in _DIGITS:
            raise NotMathematics(f"{left!r:.40} and {right!r:.40} stand side by side")
        head, tail = self.convert_postfix(factors[i]), self.convert_postfix_list(factors, i + 1)
        if isinstance(head, Integer) and isinstance(tail, Rational):
            is_mixed = left.isdecimal() and _FRACTION.fullmatch(right) and tail < 1
            return head + tail if is_mixed else Mul(head, tail, evaluate=False)
        return super().convert_postfix_list(factors, i)
