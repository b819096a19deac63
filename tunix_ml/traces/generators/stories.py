"""Everyday problems: shopping, time, units and sharing."""

from datetime import timedelta
from random import Random
from typing import Any

from tunix_ml.traces.generators.family import Family, Operands, Problem

_NAMES = ("Amara", "Bruno", "Chloe", "Diego", "Elif", "Farid", "Greta", "Hana", "Ines", "Jonas")
_CHEAP = ("apples", "candles", "notebooks", "pencils", "postcards", "rolls")
_DEAR = ("books", "lamps", "mugs", "puzzles", "scarves", "towels")
_EVENTS = ("concert", "film", "flight", "lesson", "meeting", "train ride")
_SHARED = ("cherries", "marbles", "photos", "plums", "stickers", "walnuts")
_UNITS = {
    "feet": ("inches", 12),
    "hours": ("minutes", 60),
    "kilograms": ("grams", 1_000),
    "kilometres": ("metres", 1_000),
    "litres": ("millilitres", 1_000),
    "metres": ("centimetres", 100),
    "minutes": ("seconds", 60),
    "weeks": ("days", 7),
}


def _draw_shopping(rng: Random) -> dict[str, Any]:
    counts = {"num_cheap": rng.randrange(2, 10), "num_dear": rng.randrange(2, 6)}
    prices = {"cheap_price": rng.randrange(2, 10), "dear_price": rng.randrange(11, 30)}
    goods = {"name": rng.choice(_NAMES), "cheap": rng.choice(_CHEAP), "dear": rng.choice(_DEAR)}
    cost = counts["num_cheap"] * prices["cheap_price"] + counts["num_dear"] * prices["dear_price"]
    return counts | prices | goods | {"paid": (cost // 50 + 1) * 50}


def _tell_shopping(operands: Operands) -> Problem:
    cheap = operands["num_cheap"] * operands["cheap_price"]
    dear = operands["num_dear"] * operands["dear_price"]
    change = operands["paid"] - (cheap + dear)
    steps = (
        "The {cheap} cost {num_cheap} * {cheap_price} = {cheap_cost} dollars.",
        "The {dear} cost {num_dear} * {dear_price} = {dear_cost} dollars.",
        "Together: {cheap_cost} + {dear_cost} = {cost} dollars.",
        "The change in dollars is {paid} - {cost} = {change}.",
    )
    prompt = (
        "{name} buys {num_cheap} {cheap} at {cheap_price} dollars each and {num_dear} {dear} at {dear_price}"
        " dollars each, and pays with {paid} dollars. How many dollars of change does {name} get?"
    )
    values = {**operands, "cheap_cost": cheap, "dear_cost": dear, "cost": cheap + dear, "change": change}
    return Problem(prompt.format_map(values), tuple(step.format_map(values) for step in steps), str(change))


def _recompute_shopping(operands: Operands) -> str:
    prices = [operands["cheap_price"]] * operands["num_cheap"] + [operands["dear_price"]] * operands[
        "num_dear"
    ]
    return str(operands["paid"] - sum(prices))


def _draw_elapsed(rng: Random) -> dict[str, Any]:
    start, length = rng.randrange(6 * 60, 20 * 60), rng.randrange(35, 215)
    end = start + length
    times = {"start_hour": start // 60, "start_minute": start % 60}
    return times | {"end_hour": end // 60, "end_minute": end % 60, "event": rng.choice(_EVENTS)}


def _tell_elapsed(operands: Operands) -> Problem:
    start_hour, start_minute = operands["start_hour"], operands["start_minute"]
    end_hour, end_minute = operands["end_hour"], operands["end_minute"]
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    from_clock, to_clock = f"{start_hour:02}:{start_minute:02}", f"{end_hour:02}:{end_minute:02}"
    steps = (
        f"{from_clock} in minutes after midnight is {start_hour} * 60 + {start_minute} = {start}.",
        f"{to_clock} in minutes after midnight is {end_hour} * 60 + {end_minute} = {end}.",
        f"The difference is {end} - {start} = {end - start} minutes.",
    )
    prompt = (
        f"A {operands['event']} starts at {from_clock} and ends at {to_clock}. How many minutes does it last?"
    )
    return Problem(prompt, steps, str(end - start))


def _recompute_elapsed(operands: Operands) -> str:
    start = timedelta(hours=operands["start_hour"], minutes=operands["start_minute"])
    end = timedelta(hours=operands["end_hour"], minutes=operands["end_minute"])
    return str((end - start) // timedelta(minutes=1))


def _draw_conversion(rng: Random) -> dict[str, Any]:
    unit = rng.choice(tuple(_UNITS))
    return {"unit": unit, "whole": rng.randrange(2, 30), "rest": rng.randrange(1, _UNITS[unit][1])}


def _tell_conversion(operands: Operands) -> Problem:
    unit, whole, rest = operands["unit"], operands["whole"], operands["rest"]
    small, factor = _UNITS[unit]
    steps = (
        f"{whole} {unit} in {small}: {whole} * {factor} = {whole * factor}.",
        f"With the other {rest} {small}: {whole * factor} + {rest} = {whole * factor + rest}.",
    )
    prompt = f"How many {small} are {whole} {unit} and {rest} {small}?"
    return Problem(prompt, steps, str(whole * factor + rest))


def _recompute_conversion(operands: Operands) -> str:
    factor = _UNITS[operands["unit"]][1]
    return str(sum([factor] * operands["whole"], start=operands["rest"]))


def _draw_sharing(rng: Random) -> dict[str, Any]:
    children, each = rng.randrange(3, 13), rng.randrange(6, 41)
    first = rng.randrange(2, children * each - 1)
    things = {"name": rng.choice(_NAMES), "things": rng.choice(_SHARED)}
    return {"children": children, "first": first, "second": children * each - first} | things


def _tell_sharing(operands: Operands) -> Problem:
    children, first, second = operands["children"], operands["first"], operands["second"]
    total = first + second
    each = total // children
    steps = (
        f"In all there are {first} + {second} = {total} {operands['things']}.",
        f"Each child gets {total} / {children} = {each}.",
        f"It comes out even: {each} * {children} = {total}, so each gets {each}.",
    )
    prompt = (
        f"{operands['name']} puts {first} {operands['things']} with another {second} and shares them all"
        f" equally among {children} children. How many {operands['things']} does each child get?"
    )
    return Problem(prompt, steps, str(each))


def _recompute_sharing(operands: Operands) -> str:
    remaining, each = operands["first"] + operands["second"], 0
    while remaining >= operands["children"] > 0:
        remaining, each = remaining - operands["children"], each + 1
    return str(each) if remaining == 0 else f"{each} and {remaining} left over"


SHOPPING = Family("shopping", _draw_shopping, _tell_shopping, _recompute_shopping, claims_from=0)
ELAPSED_TIME = Family("elapsed_time", _draw_elapsed, _tell_elapsed, _recompute_elapsed, claims_from=0)
UNIT_CONVERSION = Family(
    "unit_conversion", _draw_conversion, _tell_conversion, _recompute_conversion, claims_from=0
)
EQUAL_SHARING = Family("equal_sharing", _draw_sharing, _tell_sharing, _recompute_sharing, claims_from=0)
