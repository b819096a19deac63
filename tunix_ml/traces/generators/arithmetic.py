"""Sums and differences of three-digit numbers, bare and in one-line stories.

The steps are short and all of one form, so that a decoder of two million weights learns them from
nothing in minutes: what it must write next always stands a few characters back.
"""

from random import Random
from typing import Any

from tunix_ml.traces.generators.columns import Column, add_columns, read_off, subtract_columns
from tunix_ml.traces.generators.family import Family, Operands, Problem, draw_fields, fill

_POOLS = {
    "name": ("Ada", "Ben", "Eva", "Ivo", "Lea", "Max", "Noa", "Tom"),
    "friend": ("Amir", "Carla", "Dina", "Felix", "Hugo", "Kira", "Omar", "Rosa"),
    "things": ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps"),
}
_STORIES = {
    "+": (
        "{name} has {a} {things} and finds {b} more. How many {things} does {name} have now?",
        "{name} has {a} {things} and {friend} has {b}. How many {things} do they have together?",
        "A shop sold {a} {things} on Monday and {b} on Tuesday. How many {things} did it sell in all?",
        "There are {a} {things} in one box and {b} in another. How many {things} are there in total?",
    ),
    "-": (
        "{name} had {a} {things} and gave {b} to {friend}. How many {things} are left?",
        "{name} has {a} {things} and {friend} has {b}. How many more {things} does {name} have?",
        "A shop had {a} {things} and sold {b} of them. How many {things} remain?",
        "There were {a} {things} in a box and {b} were taken out. How many {things} are still in it?",
    ),
}


def _draw_pair(rng: Random, operation: str) -> dict[str, Any]:
    first, second = rng.randrange(100, 1_000), rng.randrange(100, 1_000)
    if operation == "-" and first < second:
        first, second = second, first
    return {"a": first, "b": second}


def _draw_story(rng: Random) -> dict[str, Any]:
    operation = rng.choice(("+", "-"))
    story = rng.randrange(len(_STORIES[operation]))
    fields = draw_fields(rng, _STORIES[operation][story], _POOLS)
    return {"operation": operation, "story": story} | _draw_pair(rng, operation) | fields


def _tell_addition(operands: Operands) -> Problem:
    steps, answer = _calculate("+", operands)
    return Problem(f"What is {operands['a']} + {operands['b']}?", steps, answer)


def _tell_subtraction(operands: Operands) -> Problem:
    steps, answer = _calculate("-", operands)
    return Problem(f"What is {operands['a']} - {operands['b']}?", steps, answer)


def _tell_story(operands: Operands) -> Problem:
    operation = operands["operation"]
    steps, answer = _calculate(operation, operands)
    return Problem(fill(_STORIES[operation][operands["story"]], operands), steps, answer)


def _calculate(operation: str, operands: Operands) -> tuple[tuple[str, ...], str]:
    """Return steps and answer; the first step is the task, so that every column is read off one place."""
    make_columns = add_columns if operation == "+" else subtract_columns
    columns = make_columns(operands["a"], operands["b"])
    task = f"{operands['a']}{operation}{operands['b']}"
    answer = str(read_off(columns))
    lines = [_line(operation, column) for column in columns[:-1]]
    lines.append(_line(operation, columns[-1]).rsplit(" ", 2)[0])
    return (task, *lines, f"{task}={answer}"), answer


def _line(operation: str, column: Column) -> str:
    """Return the line of a column; a difference below zero is written as it is before it borrows.

    So whether to borrow follows from a number that already stands there. With the ten added to the upper
    digit beforehand, a small decoder must decide it before it has written the digits, and often errs.
    """
    moved = "carry" if operation == "+" else "borrow"
    borrowed = 0 if operation == "+" else 10 * column.outgoing
    terms = operation.join(map(str, (column.top - borrowed, column.bottom, column.incoming)))
    result = column.result - borrowed
    return f"{column.place}: {terms}={result}, write {column.written} {moved} {column.outgoing}"


def _recompute_story(operands: Operands) -> str:
    sign = {"+": 1, "-": -1}[operands["operation"]]
    return str(operands["a"] + sign * operands["b"])


ADDITION = Family(
    name="addition",
    draw=lambda rng: _draw_pair(rng, "+"),
    tell=_tell_addition,
    recompute=lambda operands: str(operands["a"] + operands["b"]),
    claims_from=1,
)
SUBTRACTION = Family(
    name="subtraction",
    draw=lambda rng: _draw_pair(rng, "-"),
    tell=_tell_subtraction,
    recompute=lambda operands: str(operands["a"] - operands["b"]),
    claims_from=1,
)
WORD_PROBLEM = Family(
    name="word_problem", draw=_draw_story, tell=_tell_story, recompute=_recompute_story, claims_from=1
)
