"""Evaluation sets: questions with an answer of a declared type."""

from typing import Literal, Self, get_args

import msgspec
from pydantic import Field, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.recipe import FieldMapping, StepsMapping
from tunix_ml.contracts.table import Column, TableSchema

AnswerType = Literal["number", "text", "choice", "boolean", "list", "set", "expression"]
ANSWER_TYPES: tuple[AnswerType, ...] = get_args(AnswerType)
EVERYTHING = "all"


class EvaluationItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question; how its answer is compared is declared here and never told from a prediction.

    Attributes:
        final_answer: the expected answer, written as its type has it: a list or set with commas, a choice by
            its label (`B`), a boolean as `true` or `false`.
        steps: the true reasoning, where it is known: for self-tests and step metrics.
        unit: that a number may be followed by, `km`; another unit is another answer.
        choices: texts of the options by label, `{"A": "a cat"}`; only for `choice`.
        section, category, difficulty: by which scores are told apart.
        cluster: items with the same one were not drawn independently; the item's own id by default.
    """

    item_id: str
    prompt: str
    final_answer: str
    answer_type: AnswerType = "text"
    steps: tuple[str, ...] = ()
    unit: str | None = None
    choices: dict[str, str] = {}
    section: str = EVERYTHING
    category: str = EVERYTHING
    difficulty: str = EVERYTHING
    cluster: str = ""


EVALUATION_ITEMS_SCHEMA = TableSchema(
    [
        Column("item_id", "string", "names the item, once in a set"),
        Column("prompt", "string", "the question"),
        Column("final_answer", "string", "the expected answer"),
        Column("answer_type", "string", f"how answers are compared: {', '.join(ANSWER_TYPES)}"),
        Column("steps", ["string"], "the true reasoning, where it is known"),
        Column("unit", "string", "unit that a number may be followed by", nullable=True),
        Column("choices", "string", "JSON object of the options by label; `{}` for other types"),
        Column("section", "string", "part of the set"),
        Column("category", "string", "kind of question"),
        Column("difficulty", "string", "how hard it is, in the set's own words"),
        Column("cluster", "string", "items with the same one were not drawn independently"),
    ]
)


class ItemMapping(Artifact):
    """How a foreign record becomes an evaluation item; what is not named has its default."""

    item_id: FieldMapping | None = Field(None, description="null: digest of question and answer")
    prompt: FieldMapping
    final_answer: FieldMapping
    steps: StepsMapping | None = Field(None, description="the true reasoning")
    section: FieldMapping | None = None
    category: FieldMapping | None = None
    difficulty: FieldMapping | None = None
    cluster: FieldMapping | None = None


class EvaluationSetRecipe(Artifact):
    """A recipe in `data/evaluation/`: how one evaluation set is read."""

    description: str = Field(min_length=1, description="what is asked, in a sentence or two")
    license: str = Field(min_length=1, description="SPDX identifier of the licence of the data")
    path: str = Field(description="JSONL file, relative to the recipe; ${NAME} is an environment variable")
    format: Literal["items", "mapped"] = Field("items", description="evaluation items, or foreign records")
    mapping: ItemMapping | None = Field(None, description="needed for, and only for, `mapped`")
    answer_type: AnswerType | None = Field(
        None, description="type of every answer of foreign records; null: number where it reads as one"
    )

    @model_validator(mode="after")
    def _mapping_iff_mapped(self) -> Self:
        if (self.mapping is not None) != (self.format == "mapped"):
            raise ValueError("`mapping` is needed for format `mapped` and allowed for no other")
        return self


class EvaluationSetManifest(Artifact):
    """`manifest.json` of an evaluation set."""

    name: str
    content_digest: str = Field(description="over the items, in any order")
    description: str
    license: str
    recipe_digest: str
    source_sha256: str
    n_items: int = Field(ge=1)
    sections: dict[str, int]
    categories: dict[str, int]
    difficulties: dict[str, int]
    answer_types: dict[str, int]
    num_clusters: int = Field(ge=1)
    created_at: str = Field(description="UTC, ISO 8601")
