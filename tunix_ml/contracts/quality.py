"""What is known of the quality of a dataset version: `quality.json` and its tables."""

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.table import Column, TableSchema

Level = Literal["block", "warn"]
DuplicateKind = Literal["exact", "near"]
ContaminationKind = Literal["exact", "ngram", "masked"]

DUPLICATES_SCHEMA = TableSchema(
    [
        Column("kind", "string", "exact: same question and answer apart from case and spacing; near: alike"),
        Column("similarity", "float64", "Jaccard similarity of the shingles of three words; 1 where exact"),
        Column("trace_id", "string", "the later trace"),
        Column("split", "string", "its split"),
        Column("source", "string", "file name or generator of origin"),
        Column("source_line", "int64", "line or index there, from 1"),
        Column("other_trace_id", "string", "the trace it repeats, the first one where exact"),
        Column("other_split", "string", "its split"),
        Column("other_source", "string", "file name or generator of origin"),
        Column("other_source_line", "int64", "line or index there, from 1"),
    ]
)
CONTAMINATION_SCHEMA = TableSchema(
    [
        Column("evaluation_set", "string", "published set, or the held-out split `<dataset version>.test`"),
        Column("item_id", "string", "the item that the train split holds"),
        Column("kind", "string", "exact, ngram or masked: the strongest reason"),
        Column("coverage", "float64", "share of the item's words in rare runs of words that the trace has"),
        Column("is_accepted", "bool", "named in the run configuration: it does not block"),
        Column("trace_id", "string", "the training trace that holds most of it"),
        Column("source", "string", "file name or generator of origin"),
        Column("source_line", "int64", "line or index there, from 1"),
    ]
)
FINDINGS_SCHEMA = TableSchema(
    [
        Column("trace_id", "string", "the trace"),
        Column("source", "string", "file name or generator of origin"),
        Column("source_line", "int64", "line or index there, from 1"),
        Column("check", "string", "what was looked for"),
        Column("detail", "string", "what was found and where; never a secret itself"),
    ]
)


class Finding(NamedTuple):
    """Something wrong with one trace: a row of the findings table."""

    trace_id: str
    source: str
    source_line: int
    check: str
    detail: str


class QualityConfig(BaseModel):
    """What a quality report is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near_duplicate_similarity: float = Field(
        0.8, gt=0.5, le=1.0, description="Jaccard similarity of word shingles from which two traces are alike"
    )
    accepted_items: list[str] = Field(
        default=[],
        description="`<evaluation set>/<item id>` of contaminated items that shall not block",
    )


class DuplicatesSummary(Artifact):
    """How often a dataset version repeats itself."""

    method: Literal["exact_join", "minhash"]
    threshold: float
    num_exact: int = Field(description="traces whose question and answer stand in an earlier trace")
    num_near: int = Field(description="pairs of traces that are alike and not the same")
    num_clusters: int = Field(description="groups of traces connected by such pairs")
    num_across_splits: int = Field(description="pairs of either kind that stand in two splits")
    num_cut: int = Field(description="crowds of traces of which not every pair was compared")
    num_planted: int = Field(description="altered copies put in to see whether they are found")
    recall: float | None = Field(description="share of them that was found; null: none could be planted")


class ContaminationSummary(Artifact):
    """How much of one evaluation set, or held-out split, the train split holds."""

    evaluation_set: str
    items_digest: str = Field(description="content of the items")
    num_items: int
    num_exact: int = Field(description="items whose question stands in the train split")
    num_ngram: int = Field(description="others at least half of which stands there, in rare runs of words")
    num_masked: int = Field(description="others whose question stands there with other numbers")
    num_accepted: int = Field(description="exact and ngram items that the configuration accepts")
    num_uncheckable: int = Field(description="items too short, or too common in wording, to be judged")


class Bin(NamedTuple):
    """One bar of a histogram: the values from `low` up to and without `high`."""

    low: int
    high: int
    num_traces: int


class Statistics(Artifact):
    """What a dataset version is made of; counts of traces."""

    prompt_chars: tuple[Bin, ...]
    reasoning_chars: tuple[Bin, ...]
    num_steps: tuple[Bin, ...]
    families: dict[str, int]
    answer_types: dict[str, int]
    scripts: dict[str, int] = Field(description="by the script of most of the letters")
    languages: dict[str, int] = Field(description="as far as the script alone tells them")


class Drift(Artifact):
    """How far a distribution has moved from that of an earlier version."""

    quantity: str
    distance: float = Field(description="total variation: share of the traces that would have to change")
    limit: float = Field(description="what is more than chance and a tenth")


class QualityReport(Artifact):
    """`quality.json`: the quality of one content of one dataset version."""

    dataset_version: str
    dataset_digest: str
    num_traces: int
    duplicates: DuplicatesSummary
    contamination: tuple[ContaminationSummary, ...]
    findings: dict[str, int] = Field(description="traces with a finding, by check; every check is named")
    num_claims: int = Field(description="arithmetic claims that were recomputed")
    statistics: Statistics
    compared_with: str | None = Field(description="the parent or previous version, null: none is published")
    drift: tuple[Drift, ...] = Field(description="empty where nothing was compared, or too few traces")
    config: QualityConfig
