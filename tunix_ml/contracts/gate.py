"""Regression gate: the verdict on whether a run has become worse than another."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tunix_ml.contracts.base import Artifact

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT_COMPARABLE"]


class GateReport(Artifact):
    """Whether a candidate is worse than a baseline on identical items, with the numbers that say so.

    Differences are candidate against baseline in the metric's unit, turned so that above 0 is better. The
    numbers are null where the two are not comparable.
    """

    verdict: Verdict
    metric: str
    baseline: str = Field(description="the run compared with")
    candidate: str = Field(description="the run judged")
    difference: float | None = Field(description="mean over items; above 0 the candidate is better")
    ci95_low: float | None = Field(description="two-sided interval at 95 %")
    ci95_high: float | None = Field(description="below 0: FAIL")
    lower_bound: float | None = Field(description="one-sided bound at 95 %; above -delta: PASS")
    delta: float = Field(gt=0, description="loss that would be put up with, in the metric's unit")
    n: int = Field(ge=0, description="items compared")
    n_needed: int | None = Field(
        ge=1, description="items that would decide an INCONCLUSIVE, if difference and spread stay as they are"
    )
    reason: str = Field(description="the verdict in a sentence")

    @model_validator(mode="after")
    def _numbers_fit_the_verdict(self) -> Self:
        numbers = (self.difference, self.ci95_low, self.ci95_high, self.lower_bound)
        if any((number is None) != (self.verdict == "NOT_COMPARABLE") for number in numbers):
            raise ValueError(f"{self.verdict} with the numbers {numbers}: null if and only if NOT_COMPARABLE")
        if (self.n_needed is None) != (self.verdict != "INCONCLUSIVE"):
            raise ValueError(
                f"{self.verdict} with n_needed {self.n_needed}: given if and only if INCONCLUSIVE"
            )
        return self
