"""Extract the answer from what a model wrote."""

from typing import NamedTuple

from tunix_ml.exports.templates import Template


class Extraction(NamedTuple):
    """The answer found, and the rule that found it; both None where there is none."""

    answer: str | None
    rule: str | None


def extract_answer(text: str, template: Template) -> Extraction:
    """Find the answer where the template says it stands; the last one counts if there are several.

    Nothing is guessed: a number elsewhere in the text is not an answer.
    """
    found = [match for match in template.answer.findall(text) if match.strip()]
    if not found:
        return Extraction(None, None)
    return Extraction(found[-1].strip(), f"{template.name}.answer")


def is_well_formed(text: str, template: Template) -> bool:
    """Say whether the whole text keeps the template's grammar: each part once, in order, not empty."""
    return template.grammar.fullmatch(text) is not None
