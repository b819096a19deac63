"""How well a judge agrees with labels and with itself, what sways it, and whether that is good enough."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from tunix_ml.contracts.judge import JudgeVerdict
from tunix_ml.contracts.judge_calibration import (
    CalibrationText,
    GateName,
    JudgeGate,
    JudgeQuality,
    Label,
    Measured,
)
from tunix_ml.evaluation.judges.agreement import cohens_kappa
from tunix_ml.evaluation.statistics.estimates import wilson_interval

MIN_KAPPA = 0.4
MIN_ORDER_AGREEMENT = 0.8
MAX_INVALID_RATE = 0.01
MIN_TEXTS_OF_A_LABEL = 20  # below, an asymptotic interval is none
MIN_PAIRS = 20
LABELS: tuple[Label, ...] = get_args(Label)
VERDICT_OF: Mapping[Label, str] = {"correct": "CORRECT", "incorrect": "INCORRECT"}


def measure(
    texts: Sequence[CalibrationText],
    text_verdicts: Sequence[JudgeVerdict],
    pair_verdicts: Sequence[JudgeVerdict],
) -> JudgeQuality:
    """Return the quality of a judge.

    Args:
        texts: the labelled texts.
        text_verdicts: the verdict about each, in their order.
        pair_verdicts: of one pair after the other the verdict about it, and about it in the other order.
    """
    table = _confusion(texts, text_verdicts)
    statuses = Counter(verdict.status for verdict in (*text_verdicts, *pair_verdicts))
    pairs = list(zip(pair_verdicts[::2], pair_verdicts[1::2], strict=True))
    return JudgeQuality(
        num_texts={label: sum(one.label == label for one in texts) for label in LABELS},
        num_pairs=len(pairs),
        status_counts=dict(sorted(statuses.items())),
        confusion={
            label: {VERDICT_OF[column]: count for column, count in zip(LABELS, row, strict=True)}
            for label, row in zip(LABELS, table, strict=True)
        },
        accuracy=_accuracy(table),
        kappa=_kappa(table),
        order_agreement=_order_agreement(pairs),
        first_position_rate=_first_position_rate(pair_verdicts),
        invalid_rate=_share(statuses["invalid"], statuses["invalid"] + statuses["scored"]),
        length_bias=length_bias(texts, text_verdicts),
    )


def gates_of(quality: JudgeQuality) -> list[JudgeGate]:
    """Return what is asked of a judge whose verdicts may rank, and whether it is so."""
    num_missing = sum(quality.status_counts.get(status, 0) for status in ("timeout", "error"))
    return [
        _at_least("kappa_low", quality.kappa.ci95_low if quality.kappa else None, MIN_KAPPA),
        _at_least("order_agreement_low", quality.order_agreement, MIN_ORDER_AGREEMENT),
        _at_most("invalid_rate_high", quality.invalid_rate, MAX_INVALID_RATE),
        _at_most("replies_missing", num_missing, 0),
        _at_least("texts_few", min(quality.num_texts.values()), MIN_TEXTS_OF_A_LABEL),
        _at_least("pairs_few", quality.num_pairs, MIN_PAIRS),
    ]


def length_bias(texts: Sequence[CalibrationText], verdicts: Sequence[JudgeVerdict]) -> float | None:
    """Return how much more often longer texts are judged correct than shorter ones of the same label.

    The texts of a label that have a verdict are ordered by their number of characters and halved; of an odd
    number the middle one is left out. None where no label has two of them.
    """
    scores = {label: _scores_by_length(texts, verdicts, label) for label in LABELS}
    halved = {label: found for label, found in scores.items() if len(found) > 1}
    num_texts = sum(map(len, halved.values()))
    if not num_texts:
        return None
    return math.fsum(len(found) * _longer_minus_shorter(found) for found in halved.values()) / num_texts


def _scores_by_length(
    texts: Sequence[CalibrationText], verdicts: Sequence[JudgeVerdict], label: Label
) -> list[float]:
    found = [
        (len(one.text), one.text_id, verdict.score)
        for one, verdict in zip(texts, verdicts, strict=True)
        if one.label == label and verdict.score is not None
    ]
    return [score for _, _, score in sorted(found)]


def _longer_minus_shorter(scores: Sequence[float]) -> float:
    half = len(scores) // 2
    return (math.fsum(scores[-half:]) - math.fsum(scores[:half])) / half


def _confusion(texts: Sequence[CalibrationText], verdicts: Sequence[JudgeVerdict]) -> list[list[int]]:
    """Return the texts that have a verdict by label (rows) and verdict (columns)."""
    found = Counter((one.label, verdict.verdict) for one, verdict in zip(texts, verdicts, strict=True))
    return [[found[label, VERDICT_OF[column]] for column in LABELS] for label in LABELS]


def _accuracy(table: Sequence[Sequence[int]]) -> Measured | None:
    num_judged, num_right = sum(map(sum, table)), sum(row[index] for index, row in enumerate(table))
    if not num_judged:
        return None
    interval = wilson_interval(num_right / num_judged, num_judged)
    return Measured(value=num_right / num_judged, ci95_low=interval.low, ci95_high=interval.high)


def _kappa(table: Sequence[Sequence[int]]) -> Measured | None:
    kappa = cohens_kappa(table) if any(map(sum, table)) else None
    return Measured(value=kappa.value, ci95_low=kappa.low, ci95_high=kappa.high) if kappa else None


def _order_agreement(pairs: Sequence[tuple[JudgeVerdict, JudgeVerdict]]) -> float | None:
    """Return the share of pairs in which the text shown first gets, shown second, what is left of 1."""
    scores = [
        (verdict.score, swapped.score)
        for verdict, swapped in pairs
        if verdict.score is not None and swapped.score is not None
    ]
    return _share(sum(score + swapped == 1 for score, swapped in scores), len(scores))


def _first_position_rate(verdicts: Sequence[JudgeVerdict]) -> float | None:
    found = Counter(verdict.verdict for verdict in verdicts)
    return _share(found["A"], found["A"] + found["B"])


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def _at_least(name: GateName, value: float | None, bound: float) -> JudgeGate:
    return JudgeGate(name=name, value=value, at_least=bound, passed=value is not None and value >= bound)


def _at_most(name: GateName, value: float | None, bound: float) -> JudgeGate:
    return JudgeGate(name=name, value=value, at_most=bound, passed=value is not None and value <= bound)
