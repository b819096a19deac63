"""A family of problems: how one is drawn, how it is told, and how its answer is recomputed."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

Operands = Mapping[str, Any]


class Problem(NamedTuple):
    """The text of one problem; the answer is what the steps arrive at."""

    prompt: str
    steps: tuple[str, ...]
    final_answer: str


class Family(NamedTuple):
    """Problems of one kind.

    `tell` is a pure function of the operands; `recompute` takes another way to the answer.
    Every step from index `claims_from` on holds an arithmetic claim; None promises nothing.
    """

    name: str
    draw: Callable[[Random], dict[str, Any]]
    tell: Callable[[Operands], Problem]
    recompute: Callable[[Operands], str]
    claims_from: int | None


def fill(template: str, operands: Operands) -> str:
    """Return the template with the operands in their places."""
    return template.format_map(dict(operands))


def draw_fields(rng: Random, template: str, pools: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Draw a value for each pool the template names, so that no unused operand is recorded."""
    return {name: rng.choice(pool) for name, pool in pools.items() if f"{{{name}}}" in template}
