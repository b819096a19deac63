"""Column addition and subtraction, digit by digit from the ones, with carries and borrows."""

from collections.abc import Sequence
from itertools import zip_longest
from random import Random
from typing import Any, NamedTuple

from tunix_ml.traces.generators.family import Family, Operands, Problem

PLACES = ("ones", "tens", "hundreds", "thousands", "ten thousands")


class Column(NamedTuple):
    """One place of a sum or difference; `top` is ten more than its digit where ten is borrowed."""

    place: str
    top: int
    bottom: int
    incoming: int
    result: int
    written: int
    outgoing: int


def add_columns(first: int, second: int) -> list[Column]:
    """Return the columns of a sum from the ones up; the last one writes its whole result."""
    columns: list[Column] = []
    pairs = _digit_pairs(first, second)
    carry = 0
    for index, (place, (top, bottom)) in enumerate(zip(PLACES, pairs, strict=False)):
        result = top + bottom + carry
        is_last = index == len(pairs) - 1
        written, outgoing = (result, 0) if is_last else (result % 10, result // 10)
        columns.append(Column(place, top, bottom, carry, result, written, outgoing))
        carry = outgoing
    return columns


def subtract_columns(first: int, second: int) -> list[Column]:
    """Return the columns of a difference from the ones up; `second` must not be the larger."""
    columns: list[Column] = []
    borrow = 0
    for place, (top, bottom) in zip(PLACES, _digit_pairs(first, second), strict=False):
        outgoing = int(top < bottom + borrow)
        raised = top + 10 * outgoing
        result = raised - bottom - borrow
        columns.append(Column(place, raised, bottom, borrow, result, result, outgoing))
        borrow = outgoing
    return columns


def read_off(columns: Sequence[Column]) -> int:
    """Return the number that the written digits spell."""
    return int("".join(str(column.written) for column in reversed(columns)))


def _digit_pairs(first: int, second: int) -> list[tuple[int, int]]:
    digits = zip_longest(reversed(str(first)), reversed(str(second)), fillvalue="0")
    return [(int(top), int(bottom)) for top, bottom in digits]


def _draw_addition(rng: Random) -> dict[str, Any]:
    digits = rng.randrange(2, 5)
    low, high = 10 ** (digits - 1), 10**digits
    return {"a": rng.randrange(low, high), "b": rng.randrange(low, high)}


def _draw_subtraction(rng: Random) -> dict[str, Any]:
    first = rng.randrange(100, 10_000)
    return {"a": first, "b": rng.randrange(10, first)}


def _tell_addition(operands: Operands) -> Problem:
    columns = add_columns(operands["a"], operands["b"])
    steps = [
        f"{column.place.capitalize()}: {column.top} + {column.bottom} + {column.incoming} = {column.result}, "
        f"write {column.written}" + (f" and carry {column.outgoing}." if column.outgoing else ".")
        for column in columns
    ]
    total = read_off(columns)
    task = f"{operands['a']} + {operands['b']}"
    return Problem(f"Add in columns: {task}.", (*steps, f"So {task} = {total}."), str(total))


def _tell_subtraction(operands: Operands) -> Problem:
    columns = subtract_columns(operands["a"], operands["b"])
    steps = [
        f"{column.place.capitalize()}: {column.top} - {column.bottom} - {column.incoming} = {column.result}, "
        f"write {column.written}" + (" and borrow 1." if column.outgoing else ".")
        for column in columns
    ]
    difference = read_off(columns)
    task = f"{operands['a']} - {operands['b']}"
    return Problem(f"Subtract in columns: {task}.", (*steps, f"So {task} = {difference}."), str(difference))


COLUMN_ADDITION = Family(
    name="column_addition",
    draw=_draw_addition,
    tell=_tell_addition,
    recompute=lambda operands: str(operands["a"] + operands["b"]),
    claims_from=0,
)
COLUMN_SUBTRACTION = Family(
    name="column_subtraction",
    draw=_draw_subtraction,
    tell=_tell_subtraction,
    recompute=lambda operands: str(operands["a"] - operands["b"]),
    claims_from=0,
)
