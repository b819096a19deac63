"""Evaluation sets: questions with an answer of a declared type."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import msgspec
from msgspec import Meta
from pydantic import Field, model_validator

from tunix_ml.contracts.base import Artifact, ContractError
from tunix_ml.contracts.canonical import canonical_json, record_digest
from tunix_ml.contracts.recipe import FieldMapping, StepsMapping
from tunix_ml.contracts.table import Column, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

AnswerType = Literal["number", "text", "choice", "boolean", "list", "set", "expression"]
ANSWER_TYPES: tuple[AnswerType, ...] = get_args(AnswerType)
EVERYTHING = "all"
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(min_length=1, max_length=50_000)]


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

    item_id: Name
    prompt: Text
    final_answer: Text
    answer_type: AnswerType = "text"
    steps: Annotated[tuple[Text, ...], Meta(max_length=1_000)] = ()
    unit: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    choices: Annotated[dict[Name, Text], Meta(max_length=100)] = {}
    section: Name = EVERYTHING
    category: Name = EVERYTHING
    difficulty: Name = EVERYTHING
    cluster: Annotated[str, Meta(max_length=128)] = ""

    def digest(self) -> str:
        """Return the digest of every field."""
        return record_digest(msgspec.to_builtins(self))


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
    unit: FieldMapping | None = Field(None, description="of numbers")
    choices: dict[str, FieldMapping] = Field({}, description="texts of the options, by label")
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
        None, description="type of every answer, only for `mapped`; null: number where it reads as one"
    )
    where: dict[str, str] = Field(
        default={}, description="only for `mapped`: only records whose field, by dotted path, has this value"
    )

    @model_validator(mode="after")
    def _mapping_iff_mapped(self) -> Self:
        if (self.mapping is not None) != (self.format == "mapped"):
            raise ValueError("`mapping` is needed for format `mapped` and allowed for no other")
        if self.answer_type is not None and self.mapping is None:
            raise ValueError("`answer_type` is for format `mapped`: items declare their own")
        if self.where and self.mapping is None:
            raise ValueError("`where` is for format `mapped`: every line of format `items` is one")
        return self


class EvaluationSetManifest(Artifact):
    """`manifest.json` of an evaluation set."""

    name: str
    content_digest: str = Field(description="over all fields of the items, in any order")
    description: str
    license: str
    recipe_digest: str
    source: str = Field(description="name of the file that was read")
    source_sha256: str
    n_items: int = Field(ge=1)
    sections: dict[str, int]
    categories: dict[str, int]
    difficulties: dict[str, int]
    answer_types: dict[str, int]
    num_clusters: int = Field(ge=1)
    created_at: str = Field(description="UTC, ISO 8601")


def to_table(items: Iterable[EvaluationItem]) -> "pa.Table":
    """Return the table of some items, in their order."""
    return EVALUATION_ITEMS_SCHEMA.table(map(_to_row, items))


def from_table(table: "pa.Table") -> list[EvaluationItem]:
    """Return the items of a table, validated against the contract again.

    Raises:
        ContractError: the table's schema or a row breaks the contract.
    """
    if not table.schema.equals(EVALUATION_ITEMS_SCHEMA.arrow()):
        names = EVALUATION_ITEMS_SCHEMA.names
        raise ContractError(f"items table has columns {table.schema.names}, expected {names}")
    return [_from_row(row) for row in table.to_pylist()]


def _to_row(item: EvaluationItem) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(item)
    return row | {"choices": canonical_json(item.choices).decode()}


def _from_row(row: dict[str, Any]) -> EvaluationItem:
    try:
        return msgspec.convert({**row, "choices": msgspec.json.decode(row["choices"])}, EvaluationItem)
    except msgspec.MsgspecError as error:
        raise ContractError(f"item {row['item_id']!r:.140}: {error}") from error
