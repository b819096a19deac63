"""Some texts of a run, with the question, the expected answer and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunix_ml.contracts.evaluation import UNSCORED, ItemScore
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.datasets.tally import Place
from tunix_ml.registry.pages.text import Excerpt, cut, excerpt

Verdict = Literal["right", "wrong", "partly right", "no score"]
MOST_SHOWN = 12
_MAX_TEXT_CHARS = 2_000
_MAX_ANSWER_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One text of a run for one item."""

    item_id: str
    sample_index: int
    question: Excerpt | None
    expected: str
    extracted: str | None
    text: Excerpt | None
    verdict: Verdict
    note: str
    origin: str = ""


_STATUS_NOTES = {
    "scored": "",
    "unparsable": "no answer was found in the text",
    "truncated": "cut at the length limit before an answer",
    "missing": "there is no prediction",
    "timeout": "the scorer took too long",
    "error": "the scorer failed",
}


def chosen_samples(
    scores: Sequence[ItemScore],
    questions: Mapping[str, EvaluationItem],
    *,
    metric: str,
    places: Mapping[str, Place] | None = None,
) -> list[Sample]:
    """Return a few texts: the first that are not right, then the first that are."""
    right = [score for score in scores if verdict_of(score, metric) == "right"]
    others = [score for score in scores if verdict_of(score, metric) != "right"]
    num_others = min(len(others), max(MOST_SHOWN // 2, MOST_SHOWN - len(right)))
    chosen = [*others[:num_others], *right[: MOST_SHOWN - num_others]]
    return [
        sample_of(score, questions, metric=metric, place=(places or {}).get(score.item_id))
        for score in chosen
    ]


def sample_of(
    score: ItemScore,
    questions: Mapping[str, EvaluationItem],
    *,
    metric: str,
    most_chars: int = _MAX_TEXT_CHARS,
    place: Place | None = None,
) -> Sample:
    """Return one text as it is shown, cut to so many characters."""
    question = questions.get(score.item_id)
    note = _STATUS_NOTES[score.status]
    return Sample(
        item_id=score.item_id,
        sample_index=score.sample_index,
        question=excerpt(question.prompt, most=most_chars) if question else None,
        expected=cut(score.expected, most=_MAX_ANSWER_CHARS),
        extracted=None if score.extracted is None else cut(score.extracted, most=_MAX_ANSWER_CHARS),
        text=None if score.text is None else excerpt(score.text, most=most_chars),
        verdict=verdict_of(score, metric),
        origin=f"line {place.line} of {cut(place.source, most=_MAX_ANSWER_CHARS)}" if place else "",
        note=cut("; ".join(filter(None, (note, score.detail))), most=_MAX_ANSWER_CHARS),
    )


def verdict_of(score: ItemScore, metric: str) -> Verdict:
    """Return how a text was judged, in a word."""
    value = score.scores.get(metric)
    if score.status in UNSCORED or value is None:
        return "no score"
    return "right" if value == 1 else "wrong" if value == 0 else "partly right"
