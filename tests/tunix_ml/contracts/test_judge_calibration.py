from typing import Any

import msgspec
import pytest

from tunix_ml.contracts.judge import JudgeIdentity
from tunix_ml.contracts.judge_calibration import (
    CalibrationText,
    JudgeCalibration,
    JudgeGate,
    JudgeQuality,
    Measured,
)

LINE = {"text_id": "01a", "question": "2 + 2?", "answer": "4", "text": "4", "label": "correct"}
CALIBRATION = JudgeCalibration(
    judge="mine",
    judge_digest="a" * 64,
    identity=JudgeIdentity(
        backend="http",
        model="judge-7b",
        prompt="correctness",
        prompt_digest="b" * 64,
        answer_template=None,
        temperature=0.0,
        max_tokens=512,
        precision=None,
        parser_version=1,
    ),
    pairwise_prompt_digest="c" * 64,
    calibration_set_digest="d" * 64,
    served_models=[],
    quality=JudgeQuality(
        num_texts={"correct": 1, "incorrect": 1},
        num_pairs=1,
        status_counts={"scored": 4},
        confusion={"correct": {"CORRECT": 1, "INCORRECT": 0}, "incorrect": {"CORRECT": 0, "INCORRECT": 1}},
        accuracy=Measured(value=1.0, ci95_low=0.3, ci95_high=1.0),
        kappa=None,
        order_agreement=1.0,
        first_position_rate=0.5,
        invalid_rate=0.0,
        length_bias=None,
    ),
    gates=[
        JudgeGate(name="kappa_low", value=None, at_least=0.4, passed=False),
        JudgeGate(name="order_agreement_low", value=1.0, at_least=0.8, passed=True),
    ],
    passed=False,
)


def test_a_labelled_text_is_read_from_a_line() -> None:
    assert msgspec.convert(LINE, CalibrationText).label == "correct"


@pytest.mark.parametrize(
    "change",
    [
        {"label": "maybe"},
        {"text_id": ""},
        {"text_id": "a/b"},
        {"question": ""},
        {"answer": ""},
        {"note": "more than is asked for"},
    ],
    ids=str,
)
def test_a_line_outside_the_contract_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(LINE | change, CalibrationText)


def test_an_empty_text_is_a_text() -> None:
    assert msgspec.convert(LINE | {"text": ""}, CalibrationText).text == ""


def test_a_calibration_is_read_as_it_was_written_and_names_the_gates_it_failed() -> None:
    read = JudgeCalibration.parse(CALIBRATION.to_json(), subject="calibration.json")

    assert read == CALIBRATION
    assert read.failed_gates() == ["kappa_low"]
