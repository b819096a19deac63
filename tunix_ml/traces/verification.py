"""Whether a generated trace is true: its answer, its steps and its prompt follow from its operands."""

from collections.abc import Iterator
from typing import Any

from tunix_ml.contracts.trace import Trace
from tunix_ml.traces.claims import find_claims
from tunix_ml.traces.generators.catalog import FAMILIES, GENERATOR_VERSIONS
from tunix_ml.traces.generators.family import Family, Operands


def verify_generated(trace: Trace) -> list[str]:
    """Return what is wrong with a generated trace, in sentences; nothing wrong gives an empty list.

    The answer is recomputed another way than the generator took, every claim of arithmetic is evaluated,
    and prompt and steps are told again from the operands, so that no character can differ unseen.
    """
    meta = trace.meta or {}
    family, operands = FAMILIES.get(str(meta.get("family"))), meta.get("operands")
    if family is None:
        return [f"meta.family {meta.get('family')!r:.60} is none of {', '.join(sorted(FAMILIES))}"]
    if not isinstance(operands, dict):
        return [f"meta.operands {operands!r:.60} is not an object"]
    return [
        *_version_problems(meta),
        *_told_problems(trace, family, operands),
        *_step_problems(trace, family),
    ]


def _version_problems(meta: dict[str, Any]) -> Iterator[str]:
    generator, _, version = str(meta.get("generator")).partition("@")
    if GENERATOR_VERSIONS.get(generator) != version:
        known = ", ".join(f"{name}@{number}" for name, number in sorted(GENERATOR_VERSIONS.items()))
        yield f"meta.generator {meta.get('generator')!r:.60} is none of {known}"


def _told_problems(trace: Trace, family: Family, operands: Operands) -> Iterator[str]:
    try:
        recomputed, problem = family.recompute(operands), family.tell(operands)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        yield f"meta.operands {operands!r:.120} are none of family {family.name!r}: {error!r:.120}"
        return
    if recomputed != trace.final_answer:
        yield f"final_answer {trace.final_answer!r:.60} should be {recomputed!r:.60}"
    if problem.prompt != trace.prompt:
        yield f"prompt {trace.prompt!r:.120} should be {problem.prompt!r:.120}"
    contents = tuple(step.content for step in trace.steps)
    if len(contents) != len(problem.steps):
        yield f"{len(contents)} steps should be {len(problem.steps)}"
    for index, (content, told) in enumerate(zip(contents, problem.steps, strict=False)):
        if content != told:
            yield f"steps[{index}] {content!r:.120} should be {told!r:.120}"


def _step_problems(trace: Trace, family: Family) -> Iterator[str]:
    for index, step in enumerate(trace.steps):
        claims = find_claims(step.content)
        for claim in claims:
            if not claim.is_true:
                yield f"steps[{index}] claims {claim.text!r:.80}, which comes to {claim.computed}"
        if not claims and family.claims_from is not None and index >= family.claims_from:
            yield f"steps[{index}] {step.content!r:.80} holds no arithmetic to check"
    last = trace.steps[-1].content
    if trace.final_answer not in last:
        yield f"the last step {last!r:.80} does not hold the answer {trace.final_answer!r:.60}"
