"""One function for each metric of a sample, and the digest of the code that decides it.

What a scorer is given has been found and compared already; a scorer that does not apply to it returns None.
"""

import functools
import inspect
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.evaluation.answers.extract import Extraction, is_recoverable, is_well_formed
from tunix_ml.evaluation.answers.reasoning import (
    is_supported,
    reasoning_of,
    reasoning_steps,
    share_of_results_reached,
    share_of_true_claims,
)
from tunix_ml.evaluation.answers.verdict import Verdict
from tunix_ml.exports.templates import Template
from tunix_ml.provenance import source_digest


class Reading(NamedTuple):
    """One sample of an item, read.

    Attributes:
        extraction: the answer found in the text, if there is one.
        verdict: how it compares; None where there is none.
        was_cut: the text ended at the length limit; None where that is not known.
        num_new_tokens: None where that is not known.
        template: that was to be kept; None for a text that was asked for none.
    """

    item: EvaluationItem
    text: str
    extraction: Extraction
    verdict: Verdict | None
    was_cut: bool | None = None
    num_new_tokens: int | None = None
    template: Template | None = None


Scorer = Callable[[Reading], float | None]


def score_reading(reading: Reading) -> dict[str, float | None]:
    """Return every metric of a sample, null where one does not apply."""
    return {name: scorer(reading) for name, scorer in SCORERS.items()}


@functools.cache
def scorer_digest(name: str) -> str:
    """Return one digest over the function of a metric, the modules it rests on and what they rest on outside.

    A change of any other code, as of the statistics or the report, leaves it as it is.
    """
    sources, packages = _RESTS_ON[name]
    return record_digest(
        {
            "function": inspect.getsource(SCORERS[name]),
            "sources": source_digest(*sources) if sources else None,
            "packages": {package: metadata.version(package) for package in packages},
        }
    )


def answer_correctness(reading: Reading) -> float | None:
    """Return 1 for an answer that equals the expected one, 0 for another or none, null where that is open."""
    outcome = reading.verdict.outcome if reading.verdict else "different"
    return {"equal": 1.0, "different": 0.0}.get(outcome)


def answer_correctness_v1(reading: Reading) -> float | None:
    """Return 1 where the whole text is the expected answer, character for character.

    The first version of this project scored so. A text that holds anything beside the answer, as every text
    that keeps a template does, gets 0: it is kept to compare with old reports, and says little else.
    """
    return float(reading.text == reading.item.final_answer)


def format_valid(reading: Reading) -> float | None:
    """Return 1 where the whole text keeps its template, null where none was asked for."""
    return None if reading.template is None else float(is_well_formed(reading.text, reading.template))


def format_recoverable(reading: Reading) -> float | None:
    """Return 1 where the rule found an answer, or another known mark shows one."""
    return float(reading.extraction.answer is not None or is_recoverable(reading.text))


def hit_max_new_tokens(reading: Reading) -> float | None:
    """Return 1 for a text cut at the length limit."""
    return None if reading.was_cut is None else float(reading.was_cut)


def trace_present(reading: Reading) -> float | None:
    """Return 1 where there is a step of reasoning before the answer."""
    reasoning = reasoning_of(reading.text, answer_start=reading.extraction.start)
    return float(bool(reasoning_steps(reasoning)))


def trace_num_steps(reading: Reading) -> float | None:
    """Return the number of steps before the answer."""
    reasoning = reasoning_of(reading.text, answer_start=reading.extraction.start)
    return float(len(reasoning_steps(reasoning)))


def trace_num_tokens(reading: Reading) -> float | None:
    """Return the number of tokens written."""
    return None if reading.num_new_tokens is None else float(reading.num_new_tokens)


def claims_correct(reading: Reading) -> float | None:
    """Return the share of the text's claims that hold, null where it claims nothing."""
    return share_of_true_claims(reading.text)


def gold_step_recall(reading: Reading) -> float | None:
    """Return the share of the true steps' results that the text reaches, null where none is known."""
    return share_of_results_reached(reading.text, reading.item.steps)


def answer_supported(reading: Reading) -> float | None:
    """Return 1 where the answer stands in the reasoning, null without an answer or room for reasoning."""
    answer, template = reading.extraction.answer, reading.template
    if answer is None or (template is not None and not template.reasoning_format):
        return None
    reasoning = reasoning_of(reading.text, answer_start=reading.extraction.start)
    return float(is_supported(answer, reasoning, unit=reading.item.unit))


def repetition(reading: Reading) -> float | None:
    """Return the share of the text's lines that stand in it before, null where it has none."""
    lines = [line.strip() for line in reading.text.splitlines() if line.strip()]
    return 1 - len(set(lines)) / len(lines) if lines else None


SCORERS: dict[str, Scorer] = {
    scorer.__name__: scorer
    for scorer in (
        answer_correctness,
        answer_correctness_v1,
        format_valid,
        format_recoverable,
        hit_max_new_tokens,
        trace_present,
        trace_num_steps,
        trace_num_tokens,
        claims_correct,
        gold_step_recall,
        answer_supported,
        repetition,
    )
}

_FOUND = ("evaluation/answers/extract", "exports/templates")
_COMPARED = ("evaluation/answers/latex", "evaluation/answers/quantities", "traces/answers")
_SOLVED = tuple(
    f"evaluation/answers/{name}"
    for name in (
        "admission",
        "choices",
        "equality",
        "latex_reader",
        "mathematics",
        "sequences",
        "solver",
        "solver_process",
        "verdict",
    )
)
_SOLVERS = ("math-verify", "latex2sympy2_extended", "sympy", "mpmath", "antlr4-python3-runtime")
_REASONED = ("evaluation/answers/reasoning", "traces/claims", "traces/expressions", *_COMPARED)

# The modules of tunix_ml, and the packages, that decide a metric beside its own function.
_RESTS_ON: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "answer_correctness": ((*_FOUND, *_COMPARED, *_SOLVED), _SOLVERS),
    "answer_correctness_v1": ((), ()),
    "format_valid": (_FOUND, ()),
    "format_recoverable": (_FOUND, ()),
    "hit_max_new_tokens": ((), ()),
    "trace_present": ((*_FOUND, *_REASONED), ()),
    "trace_num_steps": ((*_FOUND, *_REASONED), ()),
    "trace_num_tokens": ((), ()),
    "claims_correct": (_REASONED, ()),
    "gold_step_recall": (_REASONED, ()),
    "answer_supported": ((*_FOUND, *_REASONED), ()),
    "repetition": ((), ()),
}
