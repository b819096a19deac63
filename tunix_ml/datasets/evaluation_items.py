"""The items of an evaluation set, read strictly: a file with a bad line gives no set, and names the line."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.evaluation_set import (
    ANSWER_TYPES,
    AnswerType,
    EvaluationItem,
    EvaluationSetRecipe,
    ItemMapping,
)
from tunix_ml.contracts.trace import TRACE_ID_LENGTH
from tunix_ml.traces.answers import normalise_text, parse_number
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.mapping import Record, found_value, is_meant, steps_of, text_of
from tunix_ml.traces.records import read_records

_MOST_NAMED = 20
_MOST_CHARACTERS = 600
_BOOLEANS = ("true", "false")
_SEPARATOR = re.compile(r"[,;\n]")


class EvaluationSetRefused(TunixError):
    """The source of an evaluation set holds lines that are no items, or none at all."""


def read_items(path: Path, recipe: EvaluationSetRecipe) -> list[EvaluationItem]:
    """Return the items of a file, plain or gzip, by id; blank lines are none.

    Foreign records that give one item several times, as a log of many systems does, are that one item.

    Raises:
        EvaluationSetRefused: a line is no item; all problems are counted, and the first ones named.
        SourceError: the file cannot be read to its end.
    """
    items: list[EvaluationItem] = []
    problems: list[str] = []
    firsts: dict[str, tuple[str, EvaluationItem]] = {}
    for _, place, record in read_records(path):
        try:
            item = _item(record, recipe)
        except LineError as error:
            problems.append(f"{place}: {error.message:.{_MOST_CHARACTERS}}")
            continue
        if item is None:
            continue
        first, same = firsts.setdefault(item.item_id, (place, item))
        if recipe.mapping is not None and first != place and same == item:
            continue
        found = [*item_problems(item), *_repeated(item, first, place)]
        problems += [f"{place}: {problem}" for problem in found]
        items.append(item)
    if problems:
        raise EvaluationSetRefused(f"{path} has {len(problems)} problems:\n{_named(problems, path.name)}")
    if not items:
        raise EvaluationSetRefused(f"{path} holds no item")
    return sorted(items, key=lambda item: item.item_id)


def item_problems(item: EvaluationItem) -> list[str]:
    """Return what keeps an item from being asked and scored: field, value and expectation."""
    return [*_blank_fields(item), *_answer_problems(item), *_misplaced_fields(item)]


def answer_type_of(final_answer: str) -> AnswerType:
    """Return the type of an expected answer that declares none: a number where it reads as one."""
    return "text" if parse_number(final_answer) is None else "number"


def _item(record: Record | LineError, recipe: EvaluationSetRecipe) -> EvaluationItem | None:
    """Return the item of a record, None for one that the recipe passes over."""
    if isinstance(record, LineError):
        raise record
    if not is_meant(record, recipe.where):
        return None
    raw = record if recipe.mapping is None else _mapped(record, recipe.mapping, recipe.answer_type)
    try:
        item = msgspec.convert(raw, EvaluationItem)
    except msgspec.ValidationError as error:
        message = str(error)
        types = f", expected one of {', '.join(ANSWER_TYPES)}" if "`$.answer_type`" in message else ""
        raise LineError("contract", message + found_value(raw, message) + types) from None
    return item if item.cluster else msgspec.structs.replace(item, cluster=item.item_id)


def _mapped(record: Record, mapping: ItemMapping, answer_type: AnswerType | None) -> Record:
    names = [name for name in _TEXTS if getattr(mapping, name) is not None]
    item: Record = {name: text_of(record, getattr(mapping, name), name=name) for name in names}
    item["choices"] = {
        label: text_of(record, field, name=f"choices.{label}") for label, field in mapping.choices.items()
    }
    if mapping.steps is not None:
        item["steps"] = [step["content"] for step in steps_of(record, mapping.steps)]
    if answer_type == "boolean":
        answer = item["final_answer"].strip().casefold()
        item["final_answer"] = {"yes": "true", "no": "false"}.get(answer, answer)
    digest = record_digest([item["prompt"], item["final_answer"]])[:TRACE_ID_LENGTH]
    return {"item_id": digest, "answer_type": answer_type or answer_type_of(item["final_answer"]), **item}


_TEXTS = ("item_id", "prompt", "final_answer", "unit", "section", "category", "difficulty", "cluster")


def _repeated(item: EvaluationItem, first: str, place: str) -> Iterator[str]:
    if first != place:
        yield f"item_id is {item.item_id!r}, as on {first}, expected one of its own"


def _blank_fields(item: EvaluationItem) -> Iterator[str]:
    texts = {name: getattr(item, name) for name in _TEXTS if getattr(item, name) is not None}
    texts |= {f"steps[{index}]": step for index, step in enumerate(item.steps)}
    texts |= {f"choices.{label}": text for label, text in item.choices.items()}
    for name, text in texts.items():
        if not text.strip():
            yield f"{name} is {text!r:.80}, expected a text"


def _answer_problems(item: EvaluationItem) -> Iterator[str]:
    answer, expectation = item.final_answer, None
    match item.answer_type:
        case "number":
            expectation = None if parse_number(answer) else "a number"
        case "boolean":
            expectation = None if answer in _BOOLEANS else "true or false"
        case "choice":
            labels = ", ".join(map(repr, item.choices))
            expectation = None if answer in item.choices else f"one of the choices' labels: {labels:.200}"
        case "list" | "set":
            elements = _SEPARATOR.split(answer)
            expectation = None if all(map(str.strip, elements)) else "elements with a comma between them"
    if expectation:
        yield f"final_answer is {answer!r:.80}, expected {expectation}"


def _misplaced_fields(item: EvaluationItem) -> Iterator[str]:
    if item.answer_type == "choice" and len(item.choices) < 2:
        yield f"choices has {len(item.choices)} entries, expected at least 2"
    if len({label.casefold() for label in item.choices}) < len(item.choices):
        yield f"choices has labels {sorted(item.choices)!r:.80}, expected ones that differ in more than case"
    if len({normalise_text(text) for text in item.choices.values()}) < len(item.choices):
        yield "choices has two options of one text, expected each once"
    if item.choices and item.answer_type != "choice":
        yield f"choices has {len(item.choices)} entries, expected none for answer_type {item.answer_type!r}"
    if item.unit is not None and item.answer_type != "number":
        yield f"unit is {item.unit!r:.80}, expected none for answer_type {item.answer_type!r}"


def _named(problems: list[str], file_name: str) -> str:
    lines = [f"  {file_name} {problem}" for problem in problems[:_MOST_NAMED]]
    if len(problems) > _MOST_NAMED:
        lines.append(f"  … and {len(problems) - _MOST_NAMED} more")
    return "\n".join(lines)
