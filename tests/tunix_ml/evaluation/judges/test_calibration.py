import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeIdentity, JudgeReply
from tunix_ml.evaluation.judges.calibration import (
    Calibration,
    calibrate,
    calibration_slot,
    published_calibrations,
    ranking_problem,
    read_calibration,
)
from tunix_ml.evaluation.judges.calibration_set import read_calibration_set, shipped_calibration_set
from tunix_ml.evaluation.judges.judge import JudgeUnavailable
from tunix_ml.store import Store

Reply = Callable[[list[str]], str]


def texts_in(prompt: str) -> list[str]:
    """Return the texts that a prompt asks about."""
    blocks = re.findall(r"^TEXT(?: [AB])?\n((?:\|.*\n?)+)", prompt, re.MULTILINE)
    return ["\n".join(line[2:] for line in block.splitlines()) for block in blocks]


LABELS = {one.text: one.label for one in read_calibration_set(shipped_calibration_set())}


def by_label(texts: list[str]) -> str:
    """Reply as the labels have it."""
    right = [LABELS[text] == "correct" for text in texts]
    if len(right) == 1:
        return "CORRECT" if right[0] else "INCORRECT"
    return "TIE" if right[0] == right[1] else "A" if right[0] else "B"


def always_first(texts: list[str]) -> str:
    return "CORRECT" if len(texts) == 1 else "A"


def long_is_good(texts: list[str]) -> str:
    if len(texts) == 1:
        return "CORRECT" if len(texts[0]) > 80 else "INCORRECT"
    return "A" if len(texts[0]) > len(texts[1]) else "B"


def chatty(texts: list[str]) -> str:
    return by_label(texts) + "\nI hope this helps."


@pytest.fixture
def judge_by_texts(judge_by: Callable[..., Any]) -> Callable[[Reply], Any]:
    """A function that returns a judge that replies by a function of the texts that a prompt asks about."""
    return lambda reply: judge_by(
        lambda prompt: JudgeReply("complete", reply(texts_in(prompt)), None, "served")
    )


@pytest.fixture
def calibrated(store: Store, judge_by_texts: Callable[[Reply], Any]) -> Callable[[Reply], Calibration]:
    """A function that calibrates a judge by its replies, and returns what was published."""

    def calibrate_with(reply: Reply) -> Calibration:
        calibrate(store, "mine", judge_by_texts(reply), calibration_set=shipped_calibration_set())
        return read_calibration(calibration_slot(store, "mine"))

    return calibrate_with


def test_a_judge_that_agrees_with_every_label_may_rank(
    store: Store, judge_identity: JudgeIdentity, calibrated: Callable[[Reply], Calibration]
) -> None:
    report = calibrated(by_label).report

    assert report.passed
    assert report.failed_gates() == []
    assert report.quality.accuracy is not None
    assert report.quality.kappa is not None
    assert (report.quality.accuracy.value, report.quality.kappa.value) == (1.0, 1.0)
    assert (report.quality.order_agreement, report.quality.first_position_rate) == (1.0, 0.5)
    assert (report.quality.invalid_rate, report.quality.length_bias) == (0.0, 0.0)
    assert report.served_models == ["served"]
    assert ranking_problem(store, "mine", judge_digest=judge_identity.digest()) is None


def test_a_judge_that_praises_what_it_sees_first_may_not(
    store: Store, judge_identity: JudgeIdentity, calibrated: Callable[[Reply], Calibration]
) -> None:
    report = calibrated(always_first).report

    assert report.failed_gates() == ["kappa_low", "order_agreement_low"]
    assert report.quality.kappa is not None
    assert (report.quality.kappa.value, report.quality.first_position_rate) == (0.0, 1.0)
    assert ranking_problem(store, "mine", judge_digest=judge_identity.digest()) == (
        "judge mine failed kappa_low, order_agreement_low"
    )


def test_a_judge_that_goes_by_length_may_not(calibrated: Callable[[Reply], Calibration]) -> None:
    report = calibrated(long_is_good).report

    assert report.failed_gates() == ["kappa_low"]
    assert report.quality.length_bias == pytest.approx(1.0, abs=0.05)


def test_a_judge_that_is_not_understood_may_not(calibrated: Callable[[Reply], Calibration]) -> None:
    report = calibrated(chatty).report

    assert report.failed_gates() == ["kappa_low", "order_agreement_low", "invalid_rate_high"]
    assert report.quality.invalid_rate == 1.0
    assert report.quality.status_counts == {"invalid": 200}


def test_every_verdict_is_kept_with_the_text_it_is_about(calibrated: Callable[[Reply], Calibration]) -> None:
    found = calibrated(by_label)

    assert [row.item_id for row in found.text_verdicts] == [one.text_id for one in found.texts]
    assert all(row.sample_index == 0 for row in found.text_verdicts)
    assert len(found.pair_verdicts) == 120
    assert [(row.item_id, row.sample_index) for row in found.pair_verdicts[:2]] == [
        ("01a/01b", 0),
        ("01a/01b", 1),
    ]
    assert found.texts == read_calibration_set(shipped_calibration_set())


def test_the_same_verdicts_are_one_content(store: Store, judge_by_texts: Callable[[Reply], Any]) -> None:
    first, again = (
        calibrate(store, "mine", judge_by_texts(by_label), calibration_set=shipped_calibration_set())
        for _ in range(2)
    )

    assert first.digest == again.digest
    assert first.verify() == []


def test_a_judge_is_another_one_after_its_calibration(
    store: Store, judge_identity: JudgeIdentity, calibrated: Callable[[Reply], Calibration]
) -> None:
    calibrated(by_label)

    problem = ranking_problem(store, "mine", judge_digest="0" * 64)

    assert problem == f"judge mine was calibrated as {judge_identity.digest()[:16]}, not as {'0' * 16}"


def test_a_judge_that_was_never_calibrated_may_not_rank(
    store: Store, calibrated: Callable[[Reply], Calibration]
) -> None:
    assert ranking_problem(store, "mine", judge_digest="0" * 64) == "judge mine was never calibrated"
    assert published_calibrations(store) == {}


def test_a_damaged_calibration_lets_nothing_rank(
    store: Store, judge_identity: JudgeIdentity, calibrated: Callable[[Reply], Calibration]
) -> None:
    calibrated(by_label)
    (calibration_slot(store, "mine").resolve().path / "calibration.json").write_text("{}")

    problem = ranking_problem(store, "mine", judge_digest=judge_identity.digest())

    assert str(problem).startswith("the calibration of judge mine cannot be read: ")


def test_calibrated_judges_are_named(store: Store, calibrated: Callable[[Reply], Calibration]) -> None:
    calibrated(by_label)

    assert published_calibrations(store) == {"mine": calibration_slot(store, "mine")}


def test_a_judge_that_answers_nothing_leaves_no_calibration(
    store: Store, judge_by: Callable[..., Any]
) -> None:
    dead = judge_by(lambda prompt: JudgeReply("timeout", detail="no answer within 60 s"))

    with pytest.raises(JudgeUnavailable, match="answered none of"):
        calibrate(store, "mine", dead, calibration_set=shipped_calibration_set())

    assert published_calibrations(store) == {}


def test_a_set_that_is_not_there_is_named_before_anything_is_asked(
    store: Store, tmp_path: Path, judge_by_texts: Callable[[Reply], Any]
) -> None:
    def fail(texts: list[str]) -> str:
        raise AssertionError("the judge was asked")

    with pytest.raises(ContractError, match="cannot be read"):
        calibrate(store, "mine", judge_by_texts(fail), calibration_set=tmp_path / "nowhere.jsonl")
