from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.gate import GateReport

NUMBERS: dict[str, Any] = {"difference": -0.1, "ci95_low": -0.2, "ci95_high": 0.1, "lower_bound": -0.15}
REPORT: dict[str, Any] = {
    "verdict": "INCONCLUSIVE",
    "metric": "answer_correctness",
    "baseline": "a",
    "candidate": "b",
    **NUMBERS,
    "delta": 0.02,
    "n": 50,
    "n_needed": 400,
    "reason": "too few items",
}


def test_a_report_is_read_as_it_was_written() -> None:
    report = GateReport(**REPORT)

    assert GateReport.parse(report.to_json(), subject="gate.json") == report


def test_runs_that_cannot_be_compared_have_no_numbers() -> None:
    nothing = dict.fromkeys(NUMBERS) | {"verdict": "NOT_COMPARABLE", "n": 0, "n_needed": None}

    assert GateReport(**REPORT | nothing).difference is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "WARN"}, "verdict"),
        ({"delta": 0.0}, "delta"),
        ({"n": -1}, "n\n"),
        ({"n_needed": 0}, "n_needed"),
        ({"difference": float("nan")}, "difference"),
        ({"ci95_high": None}, "null if and only if NOT_COMPARABLE"),
        ({"verdict": "NOT_COMPARABLE", "n_needed": None}, "null if and only if NOT_COMPARABLE"),
        ({"verdict": "PASS"}, "given if and only if INCONCLUSIVE"),
        ({"n_needed": None}, "given if and only if INCONCLUSIVE"),
    ],
    ids=str,
)
def test_a_report_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GateReport(**REPORT | changes)
