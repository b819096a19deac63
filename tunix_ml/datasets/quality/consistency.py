"""Whether a trace agrees with itself: its arithmetic, its answer, the numbers and contents of its steps."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from tunix_ml.contracts.trace import Trace
from tunix_ml.datasets.quality.words import words
from tunix_ml.traces.answers import parse_number
from tunix_ml.traces.claims import Claim, find_claims
from tunix_ml.traces.expressions import NUMBER, SIGNS

ARITHMETIC = "arithmetic"
ANSWER = "answer_support"
STEP_INDICES = "step_indices"
EMPTY_STEP = "empty_step"
REPEATED_STEP = "repeated_step"
CHECKS = (ARITHMETIC, ANSWER, STEP_INDICES, EMPTY_STEP, REPEATED_STEP)

_VALUE = re.compile(rf"-?[$€£]?-?{NUMBER}(?:/\d+)?\s*%?")
# What is computed with, up to its equals sign: `3 + 5 =` says nothing for an answer of 5.
_OPERANDS = re.compile(rf"[$€£(]*{NUMBER}[%)]*(?:\s*[-+*/xX{SIGNS}]\s*[$€£(]*{NUMBER}[%)]*)+\s*=")
# Adding nothing to 9 twice is no repetition: `9 + 0 = 9` leaves things as they are.
_NO_CHANGE = re.compile(r"\b(\d+)\s*(?:[-+\u2212]\s*0|[*/x\u00d7\u00f7]\s*1)\s*=\s*\1\b")
_PROOF = re.compile(r"\W*(?:check|verify|proof|test)", re.IGNORECASE)
_GROUP_SPACE = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))")
_DECIMALS = re.compile(r"\.(\d+)\D*\Z")


class Inconsistency(NamedTuple):
    """One thing in a trace that contradicts another."""

    check: str
    detail: str


class Consistency(NamedTuple):
    """What was found in one trace, and how many arithmetic claims were recomputed for it."""

    found: list[Inconsistency]
    num_claims: int


def check_consistency(trace: Trace) -> Consistency:
    """Return every way in which a trace contradicts itself.

    A claim may be rounded where it is written with decimals. The answer is supported if the last step holds
    it, as a text or as a number that is not merely computed with.
    """
    claims = [(index, claim) for index, step in enumerate(trace.steps) for claim in find_claims(step.content)]
    found = [
        Inconsistency(ARITHMETIC, f"steps[{index}] claims {claim.text:.120}, which comes to {claim.computed}")
        for index, claim in claims
        if not (claim.is_true or _is_rounded(claim))
    ]
    found += [*_step_problems(trace), *_answer_problems(trace)]
    return Consistency(found, len(claims))


def is_supported(answer: str, steps: Sequence[str]) -> bool:
    """Say whether the last step leads to an answer; the one before it counts if the last is only a check.

    An answer of several numbers may be put together from all steps.
    """
    closing = steps[-2:] if _PROOF.match(steps[-1]) else steps[-1:]
    number = parse_number(answer)
    if number is not None:
        return any(_leads_to(step, answer, number[0]) for step in closing)
    wanted = words(answer)
    if any(_holds(words(step), wanted) or _plain(answer) in _plain(step) for step in closing):
        return True
    numbers = {word for word in wanted if word[0].isdigit()}
    return bool(numbers) and numbers <= {word for step in steps for word in words(step)}


def _leads_to(step: str, answer: str, number: Fraction) -> bool:
    results = _OPERANDS.sub("=", _GROUP_SPACE.sub("", step))
    values = {value for match in _VALUE.finditer(results) for value in _readings(match[0])}
    return number in values or _holds(words(results), words(answer))


def _readings(text: str) -> Iterator[Fraction]:
    """Yield the value of a number as it is written, and in cents where that is what it may mean."""
    number = parse_number(text)
    if number is not None:
        yield number[0]
        if "$" in text and number[0].denominator > 1:
            yield number[0] * 100


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _holds(text: list[str], part: list[str]) -> bool:
    """Say whether some words stand one after the other in a text."""
    size = len(part)
    return size > 0 and any(text[start : start + size] == part for start in range(len(text) - size + 1))


def _is_rounded(claim: Claim) -> bool:
    """Say whether a claim's value is the exact one, rounded to the decimals it is written with."""
    decimals = _DECIMALS.search(claim.text)
    if decimals is None or claim.computed is None or claim.stated is None:
        return False
    unit = Fraction(1, 10 ** len(decimals[1]))
    unit = unit / 100 if claim.text.rstrip().endswith("%") else unit
    return abs(claim.stated - claim.computed) <= unit / 2


def _answer_problems(trace: Trace) -> Iterator[Inconsistency]:
    contents = [step.content for step in trace.steps]
    if not is_supported(trace.final_answer, contents):
        yield Inconsistency(
            ANSWER,
            f"the answer {trace.final_answer!r:.80} does not follow from the last step {contents[-1]!r:.160}",
        )


def _step_problems(trace: Trace) -> Iterator[Inconsistency]:
    numbers = [step.i for step in trace.steps]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
        yield Inconsistency(
            STEP_INDICES, f"steps are numbered {numbers!r:.120}, expected one after the other from 0 or 1"
        )
    seen: dict[str, int] = {}
    for index, step in enumerate(trace.steps):
        content = _plain(step.content)
        first = seen.setdefault(content, index)
        if not any(char.isalnum() for char in content):
            yield Inconsistency(EMPTY_STEP, f"steps[{index}] is {step.content!r:.60} and says nothing")
        elif first != index and not _NO_CHANGE.search(content):
            yield Inconsistency(
                REPEATED_STEP, f"steps[{index}] repeats steps[{first}]: {step.content!r:.120}"
            )
