"""Whether an answer equals the expected one, compared by the type that the item declares.

What the answer looks like never decides how it is compared: `10` is no text because it reads as a number,
nor is `B` an option where a number was asked for.
"""

from collections.abc import Callable, Iterable

from tunix_ml.contracts.evaluation_set import AnswerType, EvaluationItem
from tunix_ml.evaluation.answers.admission import refusal
from tunix_ml.evaluation.answers.choices import chosen_label, truth_value
from tunix_ml.evaluation.answers.latex import plain, unwrapped
from tunix_ml.evaluation.answers.quantities import parse_quantity, without_unit
from tunix_ml.evaluation.answers.sequences import is_same_list, is_same_set
from tunix_ml.evaluation.answers.solver import LIMIT_S, MEMORY_BYTES, Solver
from tunix_ml.evaluation.answers.verdict import Verdict, verdict
from tunix_ml.traces.answers import normalise_text

_MAX_CHARACTERS = 4_000


def compare_answer(item: EvaluationItem, given: str) -> Verdict | None:
    """Compare an answer with the expected one; None where only the solver of mathematics can tell.

    An answer much longer than the expected one is different from it, whatever it holds.
    """
    longest = max(_MAX_CHARACTERS, 4 * len(item.final_answer))
    if len(given) > longest:
        return Verdict("different", "length", f"has {len(given)} characters, more than {longest}")
    return _COMPARISONS[item.answer_type](item, given)


def compare_answers(
    answers: Iterable[tuple[EvaluationItem, str]],
    *,
    limit_s: float = LIMIT_S,
    memory_bytes: int = MEMORY_BYTES,
) -> list[Verdict]:
    """Compare answers, in their order; each is judged as if it were alone.

    Args:
        answers: pairs of an item and the answer given.
        limit_s: processor time that the solver may take for one answer; its start is not counted.
        memory_bytes: what it may take of memory.

    Raises:
        TunixError: the solver is needed and cannot be started.
    """
    solved: dict[tuple[str, str], Verdict] = {}
    verdicts = []
    with Solver(limit_s=limit_s, memory_bytes=memory_bytes) as solver:
        for item, given in answers:
            found = compare_answer(item, given)
            if found is None:
                question = _expression(item, item.final_answer), _expression(item, given)
                if question not in solved:
                    solved[question] = solver.compare(*question)
                found = solved[question]
            verdicts.append(found)
    return verdicts


def _number(item: EvaluationItem, given: str) -> Verdict | None:
    wanted = parse_quantity(item.final_answer, unit=item.unit)
    found = parse_quantity(given, unit=item.unit)
    if wanted is not None and found is not None:
        return verdict(is_equal=found == wanted, rule="number")
    if any(_is_formula(text) for text in (item.final_answer, given)):
        return _expression_or_text(item, given)
    if wanted is None:
        return Verdict("error", "number", f"the expected answer {item.final_answer!r:.80} is no number")
    unit = f" in {item.unit}" if item.unit else ""
    return Verdict("different", "number", f"{given!r:.80} is no number{unit}")


def _text(item: EvaluationItem, given: str) -> Verdict:
    return verdict(is_equal=_is_same_text(item, given), rule="text")


def _choice(item: EvaluationItem, given: str) -> Verdict:
    choices = item.choices or {item.final_answer.strip(" ()[].:"): ""}
    wanted, found = chosen_label(item.final_answer, choices), chosen_label(given, choices)
    if wanted is None:
        return Verdict(
            "error", "choice", f"the expected answer {item.final_answer!r:.80} names no one option"
        )
    if found is None:
        return Verdict("different", "choice", f"{given!r:.80} names no one option")
    return verdict(is_equal=found == wanted, rule="choice")


def _boolean(item: EvaluationItem, given: str) -> Verdict:
    wanted, found = truth_value(item.final_answer), truth_value(given)
    if wanted is None:
        return Verdict(
            "error", "boolean", f"the expected answer {item.final_answer!r:.80} is not true or false"
        )
    if found is None:
        return Verdict("different", "boolean", f"{given!r:.80} is not yes, no, true or false")
    return verdict(is_equal=found is wanted, rule="boolean")


def _list(item: EvaluationItem, given: str) -> Verdict:
    return verdict(is_equal=is_same_list(given, item.final_answer, unit=item.unit), rule="list")


def _set(item: EvaluationItem, given: str) -> Verdict:
    return verdict(is_equal=is_same_set(given, item.final_answer, unit=item.unit), rule="set")


def _expression_or_text(item: EvaluationItem, given: str) -> Verdict | None:
    if _is_same_text(item, given):
        return Verdict("equal", "text")
    wanted = parse_quantity(item.final_answer, unit=item.unit)
    found = parse_quantity(given, unit=item.unit)
    if wanted is not None and found is not None:
        return verdict(is_equal=found == wanted, rule="number")
    expected = _expression(item, item.final_answer)
    if reason := refusal(expected):
        return Verdict("error", "form", f"the expected answer {reason}")
    if reason := refusal(_expression(item, given), expected=expected):
        return Verdict("different", "form", reason)
    return None


_COMPARISONS: dict[AnswerType, Callable[[EvaluationItem, str], Verdict | None]] = {
    "number": _number,
    "text": _text,
    "choice": _choice,
    "boolean": _boolean,
    "list": _list,
    "set": _set,
    "expression": _expression_or_text,
}


def _is_same_text(item: EvaluationItem, given: str) -> bool:
    return normalise_text(plain(given)) == normalise_text(plain(item.final_answer))


def _expression(item: EvaluationItem, text: str) -> str:
    text = text.strip().removesuffix(".").rstrip()
    return unwrapped(text) if item.unit is None else without_unit(plain(text), item.unit)


def _is_formula(text: str) -> bool:
    return "\\" in plain(text) or "^" in text
