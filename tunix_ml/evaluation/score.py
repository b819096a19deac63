"""Score predictions sample by sample."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.evaluation import ItemScore, ItemStatus
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.prediction import ForeignPrediction, Prediction
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation.answers.equality import compare_answers
from tunix_ml.evaluation.answers.extract import find_answer
from tunix_ml.evaluation.scorers import SCORERS, Reading, score_reading, scorer_digest
from tunix_ml.exports.templates import template

Key = tuple[str, int]
Written = Prediction | ForeignPrediction


class PredictionMismatch(TunixError):
    """Predictions do not belong to the items they are scored against."""


class JudgedScore(NamedTuple):
    """What a judge said of a sample: a score in 0..1, or None and what it said instead."""

    score: float | None
    label: str


def scorer_digests() -> dict[str, str]:
    """Return the digest of the source code behind each metric."""
    return {name: scorer_digest(name) for name in SCORERS}


def score_items(
    items: Sequence[EvaluationItem],
    predictions: Iterable[Written],
    rule: AnswerRule,
    *,
    num_samples: int = 1,
    known: Mapping[str, Mapping[str, float]] | None = None,
) -> list[ItemScore]:
    """Return a score for each sample of each item, in the items' order; one without prediction is `missing`.

    Args:
        items: all that were to be asked.
        predictions: what was written, in any order.
        rule: where the answer stands in a text.
        num_samples: texts asked for each item.
        known: metrics of items that are known already, by item.

    Raises:
        PredictionMismatch: two predictions for one sample of an item, or one that was not asked for.
    """
    by_key = _by_key(items, predictions, num_samples)
    asked = [(item, index) for item in items for index in range(num_samples)]
    written = [
        (item, by_key[item.item_id, index]) for item, index in asked if (item.item_id, index) in by_key
    ]
    scores = {
        (reading.item.item_id, prediction.sample_index): _score(
            reading, prediction, (known or {}).get(reading.item.item_id, {})
        )
        for reading, (_, prediction) in zip(_read(written, rule), written, strict=True)
    }
    return [scores.get((item.item_id, index)) or _missing(item, index) for item, index in asked]


def score_verdicts(
    items: Sequence[EvaluationItem],
    verdicts: Mapping[Key, JudgedScore],
    *,
    texts: Mapping[Key, str | None],
    metric: str,
    num_samples: int = 1,
) -> list[ItemScore]:
    """Return a score for each sample of each item by what a judge said; one that was not judged is `missing`.

    A verdict that stands for no score is the judge's error, and never a zero.
    """
    return [
        _judged(item, index, verdicts[item.item_id, index], texts.get((item.item_id, index)), metric)
        if (item.item_id, index) in verdicts
        else _missing(item, index)
        for item in items
        for index in range(num_samples)
    ]


def _read(written: Sequence[tuple[EvaluationItem, Written]], rule: AnswerRule) -> Iterator[Reading]:
    """Yield the texts with the answers found in them, all compared in one go."""
    found = [find_answer(prediction.text, rule) for _, prediction in written]
    answered = [index for index, extraction in enumerate(found) if extraction.answer is not None]
    pairs = [(written[index][0], found[index].answer or "") for index in answered]
    verdicts = dict(zip(answered, compare_answers(pairs), strict=True))
    for index, (item, prediction) in enumerate(written):
        reason = prediction.finish_reason
        yield Reading(
            item=item,
            text=prediction.text,
            extraction=found[index],
            verdict=verdicts.get(index),
            was_cut=None if reason is None else reason == "length",
            num_new_tokens=prediction.num_new_tokens,
            template=template(rule.template) if rule.template else None,
        )


def _score(reading: Reading, prediction: Written, known: Mapping[str, float]) -> ItemScore:
    extraction, verdict = reading.extraction, reading.verdict
    is_scored = verdict is None or verdict.outcome in ("equal", "different")
    rules = [rule for rule in (extraction.rule, verdict.rule if verdict else None) if rule]
    return _record(
        reading.item,
        prediction.sample_index,
        prediction.text,
        status=_status(reading),
        extracted=extraction.answer,
        rule=", ".join(rules) or None,
        detail=verdict.detail if verdict else None,
        prompt_digest=prediction.prompt_digest,
        scores={**score_reading(reading), **known} if is_scored else {},
    )


def _status(reading: Reading) -> ItemStatus:
    if reading.verdict is None:
        return "truncated" if reading.was_cut else "unparsable"
    outcome = reading.verdict.outcome
    return outcome if outcome in ("timeout", "error") else "scored"


def _judged(
    item: EvaluationItem, index: int, verdict: JudgedScore, text: str | None, metric: str
) -> ItemScore:
    if verdict.score is None:
        detail = f"the verdict {verdict.label!r:.80} stands for no score"
        return _record(item, index, text, status="error", detail=detail)
    return _record(item, index, text, status="scored", rule=verdict.label, scores={metric: verdict.score})


def _missing(item: EvaluationItem, index: int) -> ItemScore:
    return _record(item, index, None, status="missing")


def _record(
    item: EvaluationItem, sample_index: int, text: str | None, *, status: ItemStatus, **found: Any
) -> ItemScore:
    unknown: dict[str, Any] = dict.fromkeys(("extracted", "rule", "detail", "prompt_digest"))
    return ItemScore(
        item_id=item.item_id,
        sample_index=sample_index,
        cluster=item.cluster,
        section=item.section,
        category=item.category,
        difficulty=item.difficulty,
        status=status,
        expected=item.final_answer,
        text_digest=None if text is None else sha256_hex(text.encode(errors="surrogatepass")),
        text=text,
        **{**unknown, "scores": {}, **found},
    )


def _by_key(
    items: Sequence[EvaluationItem], predictions: Iterable[Written], num_samples: int
) -> Mapping[Key, Written]:
    asked = {item.item_id for item in items}
    by_key: dict[Key, Written] = {}
    for prediction in predictions:
        name, index = f"item {prediction.item_id!r}", prediction.sample_index
        if prediction.item_id not in asked:
            raise PredictionMismatch(f"there is a prediction for {prediction.item_id!r}, which was not asked")
        if not 0 <= index < num_samples:
            raise PredictionMismatch(f"there is a sample {index} of {name}, not asked for")
        if (prediction.item_id, index) in by_key:
            which = f"{name}, sample {index}" if num_samples > 1 else name
            raise PredictionMismatch(f"there are two predictions for {which}")
        by_key[prediction.item_id, index] = prediction
    return by_key
