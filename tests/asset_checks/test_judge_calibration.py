import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks import judge_calibration
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.judge import JudgeReply
from tunix_ml.evaluation.judges.calibration import calibrate, calibration_slot
from tunix_ml.evaluation.judges.calibration_set import read_calibration_set, shipped_calibration_set
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Tamper = Callable[..., Subject]
Edit = Callable[..., Callable[[Path], None]]
LABELS = {one.text: one.label for one in read_calibration_set(shipped_calibration_set())}


def texts_in(prompt: str) -> list[str]:
    """Return the texts that a prompt asks about."""
    blocks = re.findall(r"^TEXT(?: [AB])?\n((?:\|.*\n?)+)", prompt, re.MULTILINE)
    return ["\n".join(line[2:] for line in block.splitlines()) for block in blocks]


def by_label(prompt: str) -> JudgeReply:
    """Reply as the labels have it."""
    right = [LABELS[text] == "correct" for text in texts_in(prompt)]
    if len(right) == 1:
        return JudgeReply("complete", "CORRECT" if right[0] else "INCORRECT")
    return JudgeReply("complete", "TIE" if right[0] == right[1] else "A" if right[0] else "B")


def blindly(prompt: str) -> JudgeReply:
    """Praise every text, and the first of two."""
    return JudgeReply("complete", "CORRECT" if len(texts_in(prompt)) == 1 else "A")


@pytest.fixture
def calibrated(store: Store, judge_by: Callable[..., Any]) -> Callable[..., Slot]:
    """A function that calibrates a judge by its replies, and returns the slot of it."""

    def calibrate_with(reply: Callable[[str], JudgeReply]) -> Slot:
        calibrate(store, "mine", judge_by(reply), calibration_set=shipped_calibration_set())
        return calibration_slot(store, "mine")

    return calibrate_with


@pytest.fixture
def slot(calibrated: Callable[..., Slot]) -> Slot:
    return calibrated(by_label)


@pytest.mark.parametrize("check", judge_calibration.CHECKS, ids=lambda check: check.name)
def test_a_sound_calibration_passes_every_check(
    slot: Slot, subject_of: Callable[..., Subject], check: Check
) -> None:
    outcome = check.function(subject_of(slot))

    assert outcome.passed, outcome.description


# every_labelled_text_was_judged


@pytest.mark.parametrize("name", ["text_verdicts.parquet", "pair_verdicts.parquet"])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.pop(3), "has no verdict record"),
        (lambda rows: rows[3].update(text_digest="0" * 64), "has no verdict record"),
        (lambda rows: rows[3].update(item_id="other"), "has no verdict record"),
        (lambda rows: rows.append(rows[0]), "there are 201 verdict records for 200 questions"),
        (lambda rows: rows.reverse(), "there are 200 verdict records for 200 questions"),
    ],
)
def test_a_text_without_its_one_verdict_is_found(
    slot: Slot,
    tampered: Tamper,
    edit_table: Edit,
    name: str,
    change: Callable[[list[dict[str, Any]]], object],
    found: str,
) -> None:
    outcome = judge_calibration.every_labelled_text_was_judged(tampered(slot, edit_table(name, change)))

    assert not outcome.passed
    assert found in outcome.description


# quality_follows_from_the_verdicts


def test_a_verdict_that_the_numbers_do_not_know_is_found(
    slot: Slot, tampered: Tamper, edit_table: Edit
) -> None:
    def turn(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["verdict"] == "CORRECT")
        row.update(verdict="INCORRECT", score=0.0)

    outcome = judge_calibration.quality_follows_from_the_verdicts(
        tampered(slot, edit_table("text_verdicts.parquet", turn))
    )

    assert not outcome.passed
    assert "confusion is" in outcome.description


def test_a_judge_that_is_passed_although_a_gate_is_not_is_found(
    calibrated: Callable[..., Slot], tampered: Tamper, edit_json: Edit
) -> None:
    slot = calibrated(blindly)

    outcome = judge_calibration.quality_follows_from_the_verdicts(
        tampered(slot, edit_json("calibration.json", passed=True))
    )

    assert not outcome.passed
    assert "passed is True" in outcome.description


def test_gates_with_other_bounds_are_found(slot: Slot, tampered: Tamper, edit_json: Edit) -> None:
    outcome = judge_calibration.quality_follows_from_the_verdicts(
        tampered(slot, edit_json("calibration.json", gates=[]))
    )

    assert (outcome.passed, "the gates are" in outcome.description) == (False, True)


def test_a_digest_of_another_judge_is_found(slot: Slot, tampered: Tamper, edit_json: Edit) -> None:
    outcome = judge_calibration.quality_follows_from_the_verdicts(
        tampered(slot, edit_json("calibration.json", judge_digest="0" * 64))
    )

    assert not outcome.passed
    assert "is not that of its identity" in outcome.description


# judge_may_rank


def test_a_judge_that_fails_a_gate_is_warned_of_with_value_and_bound(
    calibrated: Callable[..., Slot], subject_of: Callable[..., Subject]
) -> None:
    slot = calibrated(blindly)

    outcome = judge_calibration.judge_may_rank(subject_of(slot))

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description == (
        "judge mine: kappa_low: 0.000, at least 0.4; order_agreement_low: 0.000, at least 0.8"
    )
    assert outcome.facts["invalid_rate_high"] == 0.0
