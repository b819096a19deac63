"""A dataset recipe: the file in the catalog that says how a dataset version is made."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.trace import Split

Regex = Annotated[str, Field(min_length=1, max_length=1_000)]


class FieldMapping(Artifact):
    """How one text of a trace is taken from a foreign record: from a field, or a constant."""

    field: str | None = Field(None, description="dotted path into the record, like `answer.text`")
    constant: str | None = Field(None, description="the same value for every record")
    pattern: Regex | None = Field(None, description="keep the first group of this search")
    remove: Regex | None = Field(None, description="delete every match of this")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.field is None) == (self.constant is None):
            raise ValueError("exactly one of `field` and `constant` is needed")
        return self

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        if value is not None and _compiled(value).groups != 1:
            raise ValueError(f"`pattern` {value!r} needs exactly one group")
        return value

    @field_validator("remove")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            _compiled(value)
        return value


class StepsMapping(FieldMapping):
    """How the steps are taken: a text that is split, or a list of texts or of step objects."""

    split: Regex = Field(r"\n+", description="split a text at every match; blank pieces are dropped")
    type: str = Field("reasoning", description="type of every step made from a text")

    @field_validator("split")
    @classmethod
    def _splits(cls, value: str) -> str:
        _compiled(value)
        return value


class RecordMapping(Artifact):
    """How a foreign record becomes a trace."""

    prompt: FieldMapping
    final_answer: FieldMapping
    steps: StepsMapping
    meta: tuple[str, ...] = Field((), description="fields of the record to keep in the trace's meta")
    trace_version: str = Field("1.0", description="schema version given to every trace")


class GeneratorSource(Artifact):
    """Traces computed from a seed."""

    kind: Literal["generator"]
    generator: str = Field(description="name of the generator")
    seed: int = Field(ge=0, description="seed of the random numbers")
    num_traces: int = Field(ge=1, description="how many traces to make")


class JsonlSource(Artifact):
    """Traces read from a JSONL file or a folder of them, plain or gzip."""

    kind: Literal["jsonl"]
    path: str = Field(
        description="file or folder, relative to the recipe; ${NAME} is an environment variable"
    )
    format: Literal["trace", "tunix_sft", "mapped"] = Field(
        "trace", description="raw traces or `trace` exports, `tunix_sft` exports, or foreign records"
    )
    mapping: RecordMapping | None = Field(None, description="needed for, and only for, `mapped`")

    @model_validator(mode="after")
    def _mapping_iff_mapped(self) -> Self:
        if (self.mapping is not None) != (self.format == "mapped"):
            raise ValueError("`mapping` is needed for format `mapped` and allowed for no other")
        return self


class DatasetRecipe(Artifact):
    """How one dataset version is made."""

    description: str = Field(min_length=1, description="what the dataset is, in a sentence or two")
    license: str = Field(min_length=1, description="SPDX identifier of the licence of the data")
    source: GeneratorSource | JsonlSource = Field(discriminator="kind")
    splits: dict[Split, float] = Field(
        default={"train": 0.9, "validation": 0.05, "test": 0.05},
        description="share of each split; they add up to 1",
    )
    max_reject_rate: float = Field(0.0, ge=0.0, lt=1.0, description="rejected share of the lines allowed")

    @field_validator("splits")
    @classmethod
    def _shares_add_up(cls, value: dict[Split, float]) -> dict[Split, float]:
        if any(share < 0 for share in value.values()) or abs(sum(value.values()) - 1) > 1e-9:
            raise ValueError("the shares must not be negative and must add up to 1")
        return value


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
