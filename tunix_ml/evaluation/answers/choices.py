"""Answers that name one of a few things: an option of the question, or yes and no."""

import functools
import re
from collections.abc import Mapping

from tunix_ml.evaluation.answers.latex import plain
from tunix_ml.traces.answers import normalise_text

_TRUTH = {"yes": True, "true": True, "no": False, "false": False}


def chosen_label(text: str, choices: Mapping[str, str]) -> str | None:
    """Return the label of the option that a text names, None if it names none, or more than one.

    An option is named by its label (`B`, `(B)`, `B.`), by its label and its text (`B) a cat`), or by its
    text alone. Anything more is not read: `A or B` and `B) because of the fur` name no option.
    """
    text = plain(text)
    match = _label_pattern(tuple(choices)).fullmatch(text)
    if match:
        label = next(label for label in choices if label.casefold() == match["label"].casefold())
        if not match["rest"].strip() or normalise_text(match["rest"]) == normalise_text(choices[label]):
            return label
    wanted = normalise_text(text)
    labels = [label for label, option in choices.items() if normalise_text(option) == wanted != ""]
    return labels[0] if len(labels) == 1 else None


def truth_value(text: str) -> bool | None:
    """Return what yes, no, true and false say, in any case; None for anything else."""
    return _TRUTH.get(normalise_text(plain(text)))


@functools.lru_cache(maxsize=256)
def _label_pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    return re.compile(
        rf"[(\[]?\s*(?P<label>{longest_first})\s*(?:[)\]][.:]?|[.:]|\s[-\u2013]\s|\Z)(?P<rest>.*)",
        re.IGNORECASE | re.DOTALL,
    )
