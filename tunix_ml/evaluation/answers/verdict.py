"""What a comparison of two answers comes to."""

from typing import Literal, NamedTuple

MATH = "math"  # the rule of what only the solver could decide

Outcome = Literal["equal", "different", "timeout", "error"]


class Verdict(NamedTuple):
    """How an answer compares with the expected one, which rule said so, and why where that is not plain.

    `timeout` and `error` are failures of the scorer or of the item, not of the answer: they are no score.
    """

    outcome: Outcome
    rule: str
    detail: str | None = None


def verdict(*, is_equal: bool, rule: str, detail: str | None = None) -> Verdict:
    """Return the verdict of a rule that could decide; a detail belongs to a difference."""
    return Verdict("equal", rule) if is_equal else Verdict("different", rule, detail)
