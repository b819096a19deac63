"""A comparison: two runs on one evaluation set, item by item."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.evaluation import Group

PairTest = Literal["mcnemar_exact", "sign_flip_exact", "sign_flip_sampled"]


class CompareConfig(BaseModel):
    """Which two runs are compared, and on what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_a: str = Field(min_length=1, description="id of a run, as the leaderboard has it")
    run_b: str = Field(min_length=1, description="id of the other run")
    evaluation_set: str = Field("", description="what both were asked; empty: the one set they share")
    scorer: str = Field("answers", description="`answers`, or `judge:<name>`")


class ComparedRun(Artifact):
    """One side of a comparison."""

    run_id: str
    eval_digest: str = Field(description="report that its scores were taken from")
    mean: float = Field(description="of the metric, over the items compared")
    n_scored: int = Field(ge=0, description="items it has a score for")


class PairedResult(Artifact):
    """The mean score of a less that of b, over the items that both have a score for."""

    n: int = Field(ge=1)
    difference: float
    ci95_low: float | None = Field(description="95 % interval of the difference, paired; null: too few items")
    ci95_high: float | None
    test: PairTest
    p_value: float = Field(ge=0, le=1, description="of no difference, two-sided")


class SettingDifference(Artifact):
    """A setting that is not the same in both runs."""

    name: str = Field(description="dotted, `train.learning_rate`")
    a: str | None = Field(description="as JSON has it; null: the run has no such setting")
    b: str | None


class PartComparison(Artifact):
    """A part of the evaluation set: how both runs did on it."""

    group: Group
    name: str
    n: int = Field(ge=1)
    mean_a: float
    mean_b: float
    difference: float = Field(description="mean of a less that of b")
    ci95_low: float | None
    ci95_high: float | None


class ItemComparison(Artifact):
    """An item that the two runs did not score alike on."""

    item_id: str
    score_a: float
    score_b: float
    expected: str
    extracted_a: str | None = Field(description="answer found in the first text of a")
    extracted_b: str | None


class RunComparison(Artifact):
    """`comparison.json`: two runs on one evaluation set."""

    evaluation_set: str
    evaluation_set_digest: str = Field(description="of the items that both were asked")
    scorer: str
    metric: str
    n_items: int = Field(
        ge=1, description="items that were asked; those without a score in a or b are left out"
    )
    run_a: ComparedRun
    run_b: ComparedRun
    result: PairedResult
    wins_a: int = Field(ge=0, description="items on which a is better, as the metric's direction has it")
    wins_b: int = Field(ge=0)
    ties: int = Field(ge=0)
    settings: tuple[SettingDifference, ...]
    num_same_settings: int = Field(ge=0)
    parts: tuple[PartComparison, ...] = Field(
        description="sections, categories and difficulties, where several"
    )
    items: tuple[ItemComparison, ...] = Field(description="those of different score, most different first")
