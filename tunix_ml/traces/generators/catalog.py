"""The generators by name, and the traces that a seed gives."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import GeneratorSource
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.traces.generators import arithmetic, card_play, columns, numbers, stories, words
from tunix_ml.traces.generators.family import Family
from tunix_ml.traces.prompts import normalise_prompt

TRACE_VERSION = "1.0"
_ATTEMPTS = 1_000


class Generator(NamedTuple):
    """A cycle of families; trace number n is of family n modulo the cycle's length."""

    version: str
    families: tuple[Family, ...]


GENERATORS = {
    "golden": Generator(
        "1",
        (
            columns.COLUMN_ADDITION,
            words.LETTER_COUNT,
            stories.SHOPPING,
            columns.COLUMN_SUBTRACTION,
            words.WORD_REPETITION,
        ),
    ),
    "dev_reasoning": Generator(
        "1",
        (
            columns.COLUMN_ADDITION,
            columns.COLUMN_SUBTRACTION,
            numbers.MULTIPLICATION,
            numbers.DIVISION,
            numbers.SORTING,
            numbers.SEQUENCE,
            numbers.DIGIT_SUM,
            words.LETTER_COUNT,
            words.WORD_REVERSAL,
            stories.SHOPPING,
            stories.ELAPSED_TIME,
            stories.UNIT_CONVERSION,
            stories.EQUAL_SHARING,
        ),
    ),
    # 40 % sums, 30 % differences, 30 % stories.
    "arithmetic": Generator(
        "1",
        (*3 * (arithmetic.ADDITION, arithmetic.SUBTRACTION, arithmetic.WORD_PROBLEM), arithmetic.ADDITION),
    ),
    "card_games": Generator("1", tuple(card_play.CARD_FAMILIES.values())),
}
GENERATOR_VERSIONS = {name: generator.version for name, generator in GENERATORS.items()}
FAMILIES = {family.name: family for generator in GENERATORS.values() for family in generator.families}


def generate(source: GeneratorSource) -> Iterator[Trace]:
    """Yield the traces of a generator, all different in their normalised prompt.

    A larger number of traces begins with the smaller number's.

    Raises:
        ContractError: no generator has this name, or it has no further prompt to give.
    """
    if source.generator not in GENERATORS:
        raise ContractError(f"generator {source.generator!r} is none of {', '.join(sorted(GENERATORS))}")
    return _generate(source)


def _generate(source: GeneratorSource) -> Iterator[Trace]:
    prompts: set[str] = set()
    for index in range(source.num_traces):
        trace = _new_trace(source, index=index, known=prompts)
        prompts.add(normalise_prompt(trace.prompt))
        yield trace


def _new_trace(source: GeneratorSource, *, index: int, known: set[str]) -> Trace:
    families = GENERATORS[source.generator].families
    family = families[index % len(families)]
    rng = Random(f"{source.generator}:{source.seed}:{index}")  # noqa: S311  # reproducible, not secret
    for _ in range(_ATTEMPTS):
        trace = _make_trace(family, rng=rng, generator=source.generator)
        if normalise_prompt(trace.prompt) not in known:
            return trace
    raise ContractError(
        f"generator {source.generator!r} found no new prompt of family {family.name!r} for trace {index + 1}"
        f" of {source.num_traces} in {_ATTEMPTS} attempts: ask for fewer traces"
    )


def _make_trace(family: Family, *, rng: Random, generator: str) -> Trace:
    operands = family.draw(rng)
    problem = family.tell(operands)
    meta = {
        "family": family.name,
        "generator": f"{generator}@{GENERATORS[generator].version}",
        "operands": operands,
    }
    steps = tuple(TraceStep(i, "reasoning", content) for i, content in enumerate(problem.steps))
    return Trace(TRACE_VERSION, problem.prompt, problem.final_answer, steps, meta)
