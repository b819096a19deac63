"""The calibration of a judge: texts with a known label, and how well the judge agrees with them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.judge import JudgeIdentity

Label = Literal["correct", "incorrect"]
GateName = Literal[
    "kappa_low",
    "order_agreement_low",
    "invalid_rate_high",
    "replies_missing",
    "texts_few",
    "pairs_few",
]


class CalibrationConfig(BaseModel):
    """What a judge is calibrated with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration_set: str = Field(
        "", description="JSONL file of labelled texts; empty: the one that comes with the package"
    )


class CalibrationText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a calibration set: a text that somebody has read and labelled.

    Texts of one question that stand one after the other are put to the judge as pairs too, in both orders.
    """

    text_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    question: Annotated[str, Meta(min_length=1, max_length=50_000)]
    answer: Annotated[str, Meta(min_length=1, max_length=50_000)]
    text: Annotated[str, Meta(max_length=200_000)]
    label: Label


class Measured(Artifact):
    """A number with its 95 % interval."""

    value: float
    ci95_low: float
    ci95_high: float


class JudgeQuality(Artifact):
    """What a calibration measured; null is what could not be."""

    num_texts: dict[Label, int] = Field(description="texts of each label")
    num_pairs: int = Field(ge=0)
    status_counts: dict[str, int] = Field(description="of all replies, those about pairs included")
    confusion: dict[Label, dict[str, int]] = Field(description="verdicts about the texts of each label")
    accuracy: Measured | None = Field(description="of the texts that have a verdict; Wilson interval")
    kappa: Measured | None = Field(
        description="Cohen's, of labels and verdicts where there is one; asymptotic interval"
    )
    order_agreement: float | None = Field(
        description="pairs judged alike in both orders, of those with a verdict for each"
    )
    first_position_rate: float | None = Field(
        description="verdicts for the text shown first, of those for either; without a bias 0.5"
    )
    invalid_rate: float | None = Field(description="replies without a verdict, of all replies")
    length_bias: float | None = Field(
        description="how much more often the longer half of a label's texts is judged correct than the"
        " shorter half, as a difference of shares, averaged over the labels by their texts; without a bias 0"
    )


class JudgeGate(Artifact):
    """One thing asked of a judge before its verdicts may rank anything; named after its failure."""

    name: GateName
    value: float | None = Field(description="null: it could not be measured, which fails")
    at_least: float | None = None
    at_most: float | None = None
    passed: bool


class JudgeCalibration(Artifact):
    """`calibration.json`: how far one judge can be believed."""

    judge: str
    judge_digest: str = Field(description="digest of the identity")
    identity: JudgeIdentity
    pairwise_prompt_digest: str = Field(description="of the prompt that the pairs were put in")
    calibration_set_digest: str = Field(description="over the labelled texts and their order")
    served_models: list[str] = Field(description="models that the endpoint said it answered with")
    quality: JudgeQuality
    gates: list[JudgeGate]
    passed: bool = Field(description="every gate is passed: the judge may rank")

    def failed_gates(self) -> list[str]:
        """Return the names of the gates that the judge failed."""
        return [gate.name for gate in self.gates if not gate.passed]
