"""Extract the answer from what a model wrote."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.exports.templates import Template, template

_BRACES = re.compile(r"\\boxed\s*\{|\\\\|\\[{}]|[{}]")
_ESCAPED = frozenset({"\\\\", r"\{", r"\}"})
_HASHES = re.compile(r"^[ \t]*####(?!#)[ \t]*(\S.*)$", re.MULTILINE)
_TEMPLATES: tuple[TemplateName, ...] = ("reasoning_tags", "reasoning_lines")


class Extraction(NamedTuple):
    """The answer found, the rule that found it, and where its mark begins; all None where there is none."""

    answer: str | None
    rule: str | None
    start: int | None = None


class _Place(NamedTuple):
    start: int
    content: str


def extract_answer(text: str, template: Template) -> Extraction:
    """Find the answer where the template says it stands; the last one counts if there are several.

    Nothing is guessed: a number elsewhere in the text is not an answer.
    """
    return _last(_matches(text, template.answer), rule=f"{template.name}.answer")


def find_answer(text: str, rule: AnswerRule) -> Extraction:
    """Find the answer where a rule says it stands; the last one counts if there are several."""
    if rule.template is not None:
        return extract_answer(text, template(rule.template))
    if rule.pattern is not None:
        return _last(_matches(text, re.compile(rule.pattern)), rule="pattern")
    if rule.kind == "boxed":
        return _last(_boxes(text), rule="boxed")
    if rule.kind == "hashes":
        return _last(_matches(text, _HASHES), rule="hashes")
    return _last([_Place(0, text)], rule="whole")


def is_recoverable(text: str) -> bool:
    r"""Say whether some known mark shows an answer: a template's, `\boxed{…}` or `####`.

    That an answer stands there says nothing of the format that was asked for, and is never scored as one.
    """
    marks = (template(name).answer for name in _TEMPLATES)
    places = (*(_matches(text, mark) for mark in marks), _boxes(text), _matches(text, _HASHES))
    return any(place.content.strip() for found in places for place in found)


def is_well_formed(text: str, template: Template) -> bool:
    """Say whether the whole text keeps the template's grammar: each part once, in order, not empty."""
    return template.grammar.fullmatch(text) is not None


def _last(places: Iterable[_Place], *, rule: str) -> Extraction:
    found = None
    for place in places:
        if place.content.strip():
            found = place
    if found is None:
        return Extraction(None, None)
    return Extraction(found.content.strip(), rule, found.start)


def _matches(text: str, pattern: re.Pattern[str]) -> Iterator[_Place]:
    return (_Place(match.start(), match[1] or "") for match in pattern.finditer(text))


def _boxes(text: str) -> list[_Place]:
    r"""Return what stands in each `\boxed{…}`, in order; one inside another belongs to the outer one."""
    found: list[_Place] = []
    opened: list[re.Match[str]] = []
    for match in _BRACES.finditer(text):
        if match.group() in _ESCAPED:
            continue
        if match.group().endswith("{"):
            opened.append(match)
        elif opened and (box := opened.pop()).group() != "{":
            while found and found[-1].start > box.start():
                found.pop()
            found.append(_Place(box.start(), text[box.end() : match.start()]))
    return found
