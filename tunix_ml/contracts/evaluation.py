"""Evaluation: the score of each sample of each item, and the report over all of them."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.metrics import SAMPLE_METRICS
from tunix_ml.contracts.table import Column, TableSchema

ItemStatus = Literal["scored", "unparsable", "truncated", "missing", "timeout", "error"]
Group = Literal["section", "category", "difficulty"]
Interval = Literal["wilson", "normal", "clustered"]
GROUPS: tuple[Group, ...] = ("section", "category", "difficulty")
UNSCORED: frozenset[ItemStatus] = frozenset({"missing", "timeout", "error"})


class ItemScore(msgspec.Struct, frozen=True):
    """How one sample of one item of an evaluation set was scored.

    `unparsable` (no answer found) and `truncated` (no answer found before the length limit) are wrong
    answers of the model and count as 0. `missing` (a prediction is), `timeout` and `error` (the scorer's)
    have no score: an item with one of them lowers the coverage.
    """

    item_id: str
    sample_index: int
    cluster: str
    section: str
    category: str
    difficulty: str
    status: ItemStatus
    expected: str
    extracted: str | None
    rule: str | None
    detail: str | None
    prompt_digest: str | None
    text_digest: str | None
    text: str | None
    scores: dict[str, float | None]

    def to_row(self) -> dict[str, Any]:
        """Return the row of ITEM_SCORES_SCHEMA: each score has a column of its own."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        scores = row.pop("scores")
        return row | {metric.name: scores.get(metric.name) for metric in SAMPLE_METRICS}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "ItemScore":
        """Return the record of a row; a column without a value is a score that does not apply."""
        names = {metric.name for metric in SAMPLE_METRICS}
        fixed = {name: value for name, value in row.items() if name not in names}
        scores = {name: row[name] for name in sorted(names) if row[name] is not None}
        return cls(**fixed, scores=scores)


ITEM_SCORES_SCHEMA = TableSchema(
    [
        Column("item_id", "string", "the question"),
        Column("sample_index", "int64", "0 to num_samples - 1"),
        Column("cluster", "string", "items with the same one were not drawn independently"),
        Column("section", "string", "part of the evaluation set"),
        Column("category", "string", "kind of question"),
        Column("difficulty", "string", "how hard it is"),
        Column("status", "string", "scored, unparsable, truncated, missing, timeout or error"),
        Column("expected", "string", "the expected answer"),
        Column("extracted", "string", "the answer found in the text", nullable=True),
        Column("rule", "string", "how it was found, and by which comparison it was judged", nullable=True),
        Column("detail", "string", "what went wrong with the scorer, or why an answer fell", nullable=True),
        Column("prompt_digest", "string", "sha256 of what the model read", nullable=True),
        Column("text_digest", "string", "sha256 of what it wrote", nullable=True),
        Column("text", "string", "what it wrote", nullable=True),
        *(Column(metric.name, "double", metric.description, nullable=True) for metric in SAMPLE_METRICS),
    ]
)


class MetricEstimate(Artifact):
    """A mean over items with what is needed to believe it."""

    mean: float
    stderr: float = Field(ge=0, description="standard error of the mean, between clusters where there are")
    ci95_low: float | None = Field(description="95 % interval; null: one item has no spread to judge by")
    ci95_high: float | None
    n: int = Field(ge=1, description="items it is the mean of")
    interval: Interval = Field(description="how the interval was computed")

    def shown_interval(self) -> str:
        """Return the interval for people, `0.409 to 0.929`, or `unknown`."""
        if self.ci95_low is None or self.ci95_high is None:
            return "unknown"
        return f"{self.ci95_low:.3f} to {self.ci95_high:.3f}"


class SelfTest(Artifact):
    """The scorer tried on texts whose score is known, over the items of this evaluation."""

    gold_mean: float = Field(description="score of the true completions: 1 for a sound scorer")
    shuffled_mean: float = Field(description="score of every item answered with another's completion")
    expected_shuffled_mean: float = Field(description="share of those whose answers happen to be equal")


class EvalReport(Artifact):
    """`eval.json`: the scores of one run on one evaluation set, by one scorer or judge."""

    run_id: str
    dataset_version: str | None = Field(description="trained on; null: predictions made elsewhere")
    recipe: str = Field(description="training recipe, or the name of the system")
    evaluation_set: str
    evaluation_set_digest: str = Field(description="of the items that were asked")
    scorer: str = Field(description="`answers`, or `judge:<name>`")
    primary_metric: str = Field(description="metric that ranks")
    inputs: dict[str, str] = Field(description="digest of everything the scores rest on, by name")
    scorers: dict[str, str] = Field(description="digest of the source code behind each metric")
    answer_rule: str = Field(description="template, or rule by which answers were found")
    max_new_tokens: int | None = Field(description="null: not known")
    num_samples: int = Field(1, ge=1, description="texts for each item; their mean is the item's score")
    n_items: int = Field(ge=1, description="items of the evaluation set asked for: the denominator")
    n_scored: int = Field(ge=0, description="items all of whose samples have a score")
    coverage: float = Field(ge=0, le=1, description="n_scored / n_items; below 1 a run is not ranked")
    status_counts: dict[str, int] = Field(description="samples by status")
    metrics: dict[str, MetricEstimate]
    pass_at_k: dict[int, MetricEstimate] = Field(
        default={}, description="probability that one of k samples is right, by k"
    )
    groups: dict[Group, dict[str, MetricEstimate]] = Field(description="primary metric of each part")
    primary_score: float | None = Field(description="mean of the primary metric, null unless coverage is 1")
    self_test: SelfTest | None = Field(description="null: the verdicts were given elsewhere")

    def fingerprint(self) -> str:
        """Return one digest over all that the scores rest on."""
        parts = self.model_dump(
            mode="json",
            include={"evaluation_set_digest", "inputs", "scorers", "scorer", "primary_metric", "answer_rule"},
        )
        return record_digest(parts)
