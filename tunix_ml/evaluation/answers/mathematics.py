"""Expressions compared by what they are worth; only the process of `solver_process` does so.

math-verify compares; what it is lenient about is refused here first: `10%` is not 10, `(1,2)` is not
`{1,2}`, and 1/3 is not .333333.
"""

from math_verify import verify
from math_verify.grader import (
    is_assignment_relation,
    is_equation,
    is_relation,
    should_treat_as_complex,
    take_last_relation,
)
from sympy import (
    Eq,
    Expr,
    FiniteSet,
    Interval,
    Rational,
    Tuple,
)
from sympy.core.expr import UnevaluatedExpr

from tunix_ml.evaluation.answers.latex_reader import NotMathematics, Value, read
from tunix_ml.evaluation.answers.verdict import MATH, Verdict, verdict

_PERCENT = UnevaluatedExpr(Rational(1, 100))


def compare(expected: str, given: str) -> Verdict:
    """Read two texts and compare what they say; an expected answer that cannot be read is an error."""
    is_real = not (should_treat_as_complex(expected) or should_treat_as_complex(given))
    try:
        wanted = read(expected, is_real=is_real)
    except NotMathematics as error:
        return Verdict("error", MATH, f"the expected answer {error}")
    try:
        found = read(given, is_real=is_real)
    except NotMathematics as error:
        return Verdict("different", MATH, str(error))
    is_same = _compared(found, wanted)
    if is_same is not None:
        return verdict(is_equal=is_same, rule=MATH)
    if _compared(wanted, wanted) is None:
        return Verdict("error", MATH, f"the expected answer {expected!r:.80} cannot be evaluated")
    return Verdict("different", MATH, f"{given!r:.80} cannot be evaluated")


def is_equal(given: Value, expected: Value) -> bool:
    """Say whether a value is the expected one; `x = 5` is 5 where only one of the two is an equation."""
    given, expected = _assigned(given, beside=expected), _assigned(expected, beside=given)
    if is_equation(given) and not is_relation(expected):
        return False
    if is_relation(expected) and is_relation(given):
        return bool(given == expected) or _same_solutions(given, expected)
    if is_relation(expected) and isinstance(given, Interval):
        return _is_verified(given, expected)
    for kind in (Tuple, FiniteSet, Interval):
        if isinstance(expected, kind) or isinstance(given, kind):
            return isinstance(expected, kind) and isinstance(given, kind) and _same_parts(given, expected)
    return _is_percentage(given) == _is_percentage(expected) and _same_value(given, expected)


def _compared(given: Value, expected: Value) -> bool | None:
    """Return whether two values are equal, None where sympy cannot evaluate them."""
    try:
        return is_equal(given, expected)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - an infinity in a floor, a matrix in a maximum
        return None


def _assigned(value: Value, *, beside: Value) -> Value:
    if is_assignment_relation(value) and not is_relation(beside):
        return take_last_relation(value).rhs
    return value


def _same_solutions(given: Value, expected: Value) -> bool:
    if not expected.free_symbols or given.free_symbols != expected.free_symbols:
        return False
    # math-verify takes two relations without a solution for equal, whatever they say.
    symbol = min(expected.free_symbols, key=str)
    contradiction = Eq(symbol, symbol + 1, evaluate=False)
    return _is_verified(given, expected) and not _is_verified(contradiction, expected)


def _same_parts(given: Value, expected: Value) -> bool:
    if isinstance(expected, Interval):
        is_as_open = (given.left_open, given.right_open) == (expected.left_open, expected.right_open)
        return is_as_open and is_equal(given.start, expected.start) and is_equal(given.end, expected.end)
    if len(given.args) != len(expected.args):
        return False
    if isinstance(expected, Tuple):
        return all(is_equal(*pair) for pair in zip(given.args, expected.args, strict=True))
    rest = list(expected.args)
    for part in given.args:
        match = next((index for index, other in enumerate(rest) if is_equal(part, other)), None)
        if match is None:
            return False
        del rest[match]
    return True


def _same_value(given: Value, expected: Value) -> bool:
    values = [value.doit() if isinstance(value, Expr) else value for value in (given, expected)]
    if all(isinstance(value, Rational) for value in values):
        return bool(values[0] == values[1])
    if {getattr(value, "is_rational", None) for value in values} == {True, False}:
        return False
    return _is_verified(given, expected)


def _is_verified(given: Value, expected: Value) -> bool:
    # Its own time limits are alarms; this process is ended from outside.
    return bool(verify(expected, given, timeout_seconds=None))


def _is_percentage(value: Value) -> bool:
    return any(part == _PERCENT for part in value.atoms(UnevaluatedExpr))
