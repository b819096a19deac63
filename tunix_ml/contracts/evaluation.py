"""Evaluation: the score of each item, and the report over all of them."""

from typing import Literal

import msgspec
from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.table import Column, TableSchema

ItemStatus = Literal["scored", "unparsable", "truncated", "missing"]


class ItemScore(msgspec.Struct, frozen=True):
    """How one item of an evaluation set was scored.

    `unparsable` (no answer found) and `truncated` (no answer found before the length limit) are wrong
    answers of the model and count as 0; `missing` (a prediction is) has no score and lowers the coverage.
    With several samples the three numbers are means over them; status, extracted answer, rule and text are
    those of sample 0.
    """

    item_id: str
    status: ItemStatus
    expected: str
    extracted: str | None
    rule: str | None
    answer_correctness: float | None
    format_valid: float | None
    hit_max_new_tokens: float | None
    family: str
    text: str | None


ITEM_SCORES_SCHEMA = TableSchema(
    [
        Column("item_id", "string", "trace id of the question"),
        Column("status", "string", "scored, unparsable, truncated or missing"),
        Column("expected", "string", "the trace's final answer"),
        Column("extracted", "string", "the answer found in the text", nullable=True),
        Column("rule", "string", "the extraction rule that found it", nullable=True),
        Column(
            "answer_correctness",
            "double",
            "share of its samples that are equal; null: missing",
            nullable=True,
        ),
        Column("format_valid", "double", "share of them that keep their template", nullable=True),
        Column("hit_max_new_tokens", "double", "share of them cut at the length limit", nullable=True),
        Column("family", "string", "family of the question, or `all`"),
        Column("text", "string", "what the model wrote, sample 0", nullable=True),
    ]
)


class MetricEstimate(Artifact):
    """A mean over items with what is needed to believe it."""

    mean: float = Field(ge=0, le=1)
    stderr: float = Field(ge=0, description="standard error of the mean")
    ci95_low: float = Field(ge=0, le=1, description="Wilson interval at 95 %")
    ci95_high: float = Field(ge=0, le=1)
    n: int = Field(ge=1, description="items scored")


class SelfTest(Artifact):
    """The scorer tried on texts whose score is known, over the items of this evaluation."""

    gold_mean: float = Field(description="score of the true completions: 1 for a sound scorer")
    shuffled_mean: float = Field(description="score of every item answered with another's completion")
    expected_shuffled_mean: float = Field(description="share of those whose answers happen to be equal")


class EvalReport(Artifact):
    """`eval.json`: the scores of one run on one evaluation set."""

    run_id: str
    dataset_version: str
    recipe: str
    evaluation_set: str
    evaluation_set_digest: str
    dataset_digest: str
    model_digest: str
    predictions_digest: str
    template: TemplateName
    template_digest: str
    scorer: str = Field(description="name of the primary scorer")
    scorer_digest: str = Field(description="digest of the source code that scored")
    max_new_tokens: int
    num_samples: int = Field(1, ge=1, description="texts for each item; their mean is the item's score")
    n_items: int = Field(ge=1, description="items of the evaluation set asked for: the denominator")
    n_scored: int = Field(ge=0, description="items with all their predictions")
    coverage: float = Field(ge=0, le=1, description="n_scored / n_items; below 1 a run is not ranked")
    status_counts: dict[str, int]
    metrics: dict[str, MetricEstimate] = Field(
        description="answer_correctness, format_valid, hit_max_new_tokens"
    )
    families: dict[str, MetricEstimate] = Field(description="answer_correctness of each family")
    primary_score: float | None = Field(description="mean answer_correctness, null unless coverage is 1")
    self_test: SelfTest
