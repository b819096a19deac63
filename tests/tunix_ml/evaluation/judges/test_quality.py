from collections.abc import Sequence

import pytest

from tunix_ml.contracts.judge import JudgeVerdict, VerdictStatus
from tunix_ml.contracts.judge_calibration import CalibrationText, JudgeQuality, Label, Measured
from tunix_ml.evaluation.judges.quality import gates_of, length_bias, measure

SCORES = {"CORRECT": 1.0, "INCORRECT": 0.0, "A": 1.0, "B": 0.0, "TIE": 0.5}
GOOD = JudgeQuality(
    num_texts={"correct": 40, "incorrect": 40},
    num_pairs=60,
    status_counts={"scored": 200},
    confusion={},
    accuracy=None,
    kappa=Measured(value=0.6, ci95_low=0.4, ci95_high=0.8),
    order_agreement=0.8,
    first_position_rate=0.5,
    invalid_rate=0.01,
    length_bias=0.0,
)


def text(number: int, label: Label, *, length: int = 10) -> CalibrationText:
    return CalibrationText(f"{number:03}", "2 + 2?", "4", "x" * length, label)


def verdict(word: str | None, *, status: VerdictStatus = "scored") -> JudgeVerdict:
    score = None if word is None else SCORES[word]
    return JudgeVerdict("id", 0, status, word, score, None, None, "a" * 64, "b" * 64)


def measure_of(labels: str, verdicts: Sequence[str | None], pairs: Sequence[str | None] = ()) -> JudgeQuality:
    """Return the quality over texts of labels `c` and `i`, the verdicts about them and about pairs."""
    names: dict[str, Label] = {"c": "correct", "i": "incorrect"}
    texts = [text(number, names[label]) for number, label in enumerate(labels)]
    return measure(texts, [_of(word) for word in verdicts], [_of(word) for word in pairs])


def _of(word: str | None) -> JudgeVerdict:
    return verdict(word) if word in SCORES else verdict(None, status=word or "invalid")  # type: ignore[arg-type]


def test_accuracy_and_kappa_are_of_the_texts_that_have_a_verdict() -> None:
    words = ["CORRECT", "CORRECT", "INCORRECT", "INCORRECT", "CORRECT", None, "timeout"]

    quality = measure_of("cccii" + "ci", words)

    assert quality.confusion == {
        "correct": {"CORRECT": 2, "INCORRECT": 1},
        "incorrect": {"CORRECT": 1, "INCORRECT": 1},
    }
    assert quality.accuracy is not None
    assert quality.kappa is not None
    assert quality.accuracy.value == pytest.approx(3 / 5)
    # By chance 0.6 * 0.6 + 0.4 * 0.4 = 0.52.
    assert quality.kappa.value == pytest.approx((0.6 - 0.52) / 0.48)
    assert quality.num_texts == {"correct": 4, "incorrect": 3}


def test_what_came_back_without_a_verdict_is_invalid_and_what_did_not_come_back_is_not_counted() -> None:
    quality = measure_of("ccii", ["CORRECT", None, "INCORRECT", "timeout"], ["A", "error"])

    assert quality.status_counts == {"error": 1, "invalid": 1, "scored": 3, "timeout": 1}
    assert quality.invalid_rate == pytest.approx(1 / 4)


def test_a_pair_agrees_if_the_swapped_order_swaps_the_verdict() -> None:
    pairs = ["A", "B", "B", "A", "TIE", "TIE", "A", "A", "A", "TIE", "A", None]

    quality = measure_of("c", ["CORRECT"], pairs)

    assert quality.num_pairs == 6
    assert quality.order_agreement == pytest.approx(3 / 5)
    assert quality.first_position_rate == pytest.approx(6 / 8)


def test_what_cannot_be_measured_is_null() -> None:
    quality = measure_of("ci", [None, "timeout"], ["TIE", None])

    assert (quality.accuracy, quality.kappa, quality.length_bias) == (None, None, None)
    assert (quality.order_agreement, quality.first_position_rate) == (None, None)
    assert measure_of("ci", ["timeout", "error"]).invalid_rate is None


def test_one_verdict_about_texts_of_one_label_has_no_kappa() -> None:
    quality = measure_of("cc", ["CORRECT", "CORRECT"])

    assert quality.kappa is None
    assert quality.accuracy is not None
    assert quality.accuracy.value == 1


# Length


def test_length_bias_compares_longer_and_shorter_texts_of_one_label() -> None:
    texts = [text(n, "correct", length=n) for n in range(5)]
    texts += [text(n, "incorrect", length=n) for n in range(5, 7)]
    words = ["INCORRECT", "CORRECT", "INCORRECT", "CORRECT", "CORRECT", "CORRECT", "CORRECT"]

    # Of the correct texts shorter ones have 0 and 1, longer ones 1 and 1, the middle one is left out.
    assert length_bias(texts, [verdict(word) for word in words]) == pytest.approx((5 * 0.5 + 2 * 0) / 7)


def test_length_bias_leaves_out_texts_without_a_verdict_and_labels_with_less_than_two() -> None:
    texts = [text(0, "correct", length=1), text(1, "correct", length=2), text(2, "incorrect")]
    verdicts = [verdict("INCORRECT"), verdict("CORRECT"), verdict("CORRECT")]

    assert length_bias(texts, verdicts) == 1.0
    assert length_bias(texts, [verdict(None, status="invalid"), *verdicts[1:]]) is None


# Gates


def test_a_judge_at_the_bounds_passes_every_gate() -> None:
    assert all(gate.passed for gate in gates_of(GOOD))


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"kappa": Measured(value=0.6, ci95_low=0.399, ci95_high=0.8)}, "kappa_low"),
        ({"kappa": None}, "kappa_low"),
        ({"order_agreement": 0.799}, "order_agreement_low"),
        ({"order_agreement": None}, "order_agreement_low"),
        ({"invalid_rate": 0.011}, "invalid_rate_high"),
        ({"invalid_rate": None}, "invalid_rate_high"),
        ({"status_counts": {"scored": 199, "timeout": 1}}, "replies_missing"),
        ({"status_counts": {"scored": 199, "error": 1}}, "replies_missing"),
        ({"num_texts": {"correct": 400, "incorrect": 19}}, "texts_few"),
        ({"num_pairs": 19}, "pairs_few"),
    ],
    ids=str,
)
def test_a_judge_beyond_one_bound_fails_that_gate_alone(change: dict[str, object], failed: str) -> None:
    gates = gates_of(GOOD.model_copy(update=change))

    assert [gate.name for gate in gates if not gate.passed] == [failed]
