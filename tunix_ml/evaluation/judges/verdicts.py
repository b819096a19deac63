"""How a judge's reply is read: exactly one verdict in its place, or none at all."""

from collections.abc import Collection
from typing import NamedTuple

from tunix_ml.contracts.export import TemplateName
from tunix_ml.exports.templates import template

PARSER_VERSION = 1


class Parsed(NamedTuple):
    """The verdict's word, or why there is none."""

    verdict: str | None
    problem: str | None


def parse_verdict(reply: str, verdicts: Collection[str], *, answer_template: TemplateName | None) -> Parsed:
    """Read the verdict of a reply that was written to its end.

    It is the last line, which holds the word and nothing else, and no line before it holds a verdict alone.
    A model that was trained with a template writes it once, where that template has the answer. Nothing is
    guessed: another spelling, a second verdict or a word within a sentence is no verdict.
    """
    if answer_template is not None:
        places = [place.strip() for place in template(answer_template).answer.findall(reply)]
        return _only(places, verdicts, where=f"as the answer of {answer_template}")
    lines = [line.strip() for line in reply.splitlines() if line.strip()]
    spoken = [line for line in lines if line in verdicts]
    return _only(spoken if spoken[1:] else lines[-1:], verdicts, where="on the last line")


def _only(found: list[str], verdicts: Collection[str], *, where: str) -> Parsed:
    if len(found) == 1 and found[0] in verdicts:
        return Parsed(found[0], None)
    what = "several verdicts" if len(found) > 1 else "no verdict"
    return Parsed(None, f"{what} {where}: expected one of {', '.join(verdicts)}")
