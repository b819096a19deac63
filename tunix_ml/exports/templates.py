"""Templates: how a question, its reasoning and its answer are written, in training and evaluation alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.export import TemplateName


@dataclass(frozen=True, kw_only=True)
class Template:
    """One way to write a trace.

    `prompt_text` is what the model reads, `completion_text` what it learns to write after it; the two meet
    at a line end, so that they can be tokenized apart. `grammar` matches a whole well-formed completion and
    captures the answer; `answer` finds the answer, with the white space around it, in any text.
    """

    name: TemplateName
    prompt_format: str
    reasoning_format: str
    step_format: str
    answer_format: str
    grammar: re.Pattern[str]
    answer: re.Pattern[str]

    def prompt_text(self, question: str) -> str:
        """Return what the model reads."""
        return self.prompt_format.format(question=question)

    def completion_text(self, steps: Sequence[str], final_answer: str) -> str:
        """Return what the model learns to write."""
        written = (self.step_format.format(number=i, step=step) for i, step in enumerate(steps, start=1))
        reasoning = self.reasoning_format.format(steps="".join(written))
        return reasoning + self.answer_format.format(answer=final_answer)

    def digest(self) -> str:
        """Return a digest of everything that decides how texts are written and read."""
        parts = (self.prompt_format, self.reasoning_format, self.step_format, self.answer_format)
        return record_digest([self.name, *parts, self.grammar.pattern, self.answer.pattern])


# White space around an answer is taken along: a pattern that skips it needs cubic time on a run of newlines.
_ANSWER_TAG = re.compile(r"<answer>((?:(?!</?answer>).)*)</answer>", re.DOTALL)
_ANSWER_LINE = re.compile(r"^Answer:[ \t]*(\S.*)$", re.MULTILINE)

_TEMPLATES = {
    template.name: template
    for template in (
        Template(
            name="reasoning_tags",
            prompt_format="{question}\n",
            reasoning_format="<reasoning>\n{steps}</reasoning>\n",
            step_format="{step}\n",
            answer_format="<answer>{answer}</answer>",
            grammar=re.compile(
                r"<reasoning>(?=\s*(?!</reasoning>)\S)(?:(?!</?reasoning>|</?answer>).)+</reasoning>\s*"
                r"<answer>(?=\s*(?!</answer>)\S)((?:(?!</?reasoning>|</?answer>).)+)</answer>\s*",
                re.DOTALL,
            ),
            answer=_ANSWER_TAG,
        ),
        Template(
            name="reasoning_lines",
            prompt_format="{question}\n\nPlease show your reasoning steps.\n",
            reasoning_format="Reasoning:\n{steps}",
            step_format="{number}. {step}\n",
            answer_format="Answer: {answer}",
            grammar=re.compile(
                r"Reasoning:\n(?:(?!^Answer:)[^\n]*\S[^\n]*\n)+Answer:[ \t]*(\S[^\n]*)\s*", re.MULTILINE
            ),
            answer=_ANSWER_LINE,
        ),
        Template(
            name="answer_only",
            prompt_format="{question}\n",
            reasoning_format="",
            step_format="",
            answer_format="<answer>{answer}</answer>",
            grammar=re.compile(
                r"<answer>(?=\s*(?!</answer>)\S)((?:(?!</?answer>).)+)</answer>\s*", re.DOTALL
            ),
            answer=_ANSWER_TAG,
        ),
    )
}


def template(name: TemplateName) -> Template:
    """Return the template of a name."""
    return _TEMPLATES[name]


def digest_of(name: str) -> str | None:
    """Return the digest of the template of a name, None if there is none any more."""
    found = {found.name: found for found in _TEMPLATES.values()}.get(cast("TemplateName", name))
    return found.digest() if found else None
