"""A dataset recipe: the file in the catalog that says how a dataset version is made."""

import re
import string
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.canonical import canonical_json, sha256_hex
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.selection import Filter
from tunix_ml.contracts.trace import Split

Regex = Annotated[str, Field(min_length=1, max_length=1_000)]


class FieldMapping(Artifact):
    """How one text of a trace is taken from a foreign record: from a field, from several, or a constant."""

    field: str | None = Field(
        None,
        description="dotted path into the record, like `answer.text`; in `choices.{answer}` the field"
        " `answer` says which",
    )
    template: str | None = Field(
        None,
        description="text with dotted paths in braces, like `{body} {question}`; of a list each item has its"
        " line",
    )
    constant: str | None = Field(None, description="the same value for every record")
    pattern: Regex | None = Field(None, description="keep the first group of this search")
    remove: Regex | None = Field(None, description="delete every match of this")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum(origin is not None for origin in (self.field, self.template, self.constant)) != 1:
            raise ValueError("exactly one of `field`, `template` and `constant` is needed")
        return self

    @field_validator("field", "template")
    @classmethod
    def _braces_hold_paths(cls, value: str | None) -> str | None:
        if value is not None:
            _paths_in(value)
        return value

    def paths(self) -> tuple[str, ...]:
        """Return the dotted paths that are looked up in a record."""
        if self.template is not None:
            return _paths_in(self.template)
        return () if self.field is None else (self.field, *_paths_in(self.field))

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


class FileSource(Artifact):
    """Files that hold traces, in a format."""

    path: str = Field(
        description="file, folder or pattern like `shards/*`, relative to the recipe; ${NAME} is an"
        " environment variable"
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


class JsonlSource(FileSource):
    """Traces read from JSONL files, plain or gzip."""

    kind: Literal["jsonl"]


class ParquetSource(FileSource):
    """Traces read from the rows of Parquet files."""

    kind: Literal["parquet"]


class HuggingFaceSource(FileSource):
    """Traces read from a dataset folder as the Hub has it, or as `save_to_disk` writes it."""

    kind: Literal["huggingface"]
    config: str | None = Field(None, description="which configuration, if the folder has several")
    splits: tuple[str, ...] = Field((), description="which of its splits, by name; empty: all")


class UngarSource(Artifact):
    """Questions about card games played at random by the package `ungar`, which must be installed."""

    kind: Literal["ungar"]
    game: Literal["high_card_duel", "spades_mini"]
    seed: int = Field(ge=0, description="seed of the first episode; the next ones count up")
    num_episodes: int = Field(ge=1, description="how many games to play")


RowsSource = Annotated[
    GeneratorSource | JsonlSource | ParquetSource | HuggingFaceSource | UngarSource,
    Field(discriminator="kind"),
]


class Part(Artifact):
    """One part of a mixture: a published dataset version, or new rows."""

    version: str | None = Field(None, description="dataset version, `golden-v2`")
    content: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="content digest the version must have; null: its current one",
    )
    rows: RowsSource | None = Field(None, description="new rows, instead of a version")
    weight: float | None = Field(None, gt=0, description="share of the rows chosen, relative to other parts")
    filters: tuple[Filter, ...] = Field((), description="conditions on the rows of this part")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.version is None) == (self.rows is None):
            raise ValueError("exactly one of `version` and `rows` is needed")
        if self.version is None and self.content is not None:
            raise ValueError("`content` belongs to a `version`")
        return self

    @field_validator("version")
    @classmethod
    def _is_version(cls, value: str | None) -> str | None:
        if value is not None:
            parse_dataset_version(value)
        return value


class VersionsSource(Artifact):
    """Rows chosen from published dataset versions and, for an incremental version, new ones."""

    kind: Literal["versions"]
    parts: tuple[Part, ...] = Field(min_length=1, description="oldest first; of equal traces the first stays")
    filters: tuple[Filter, ...] = Field((), description="conditions on the rows of every part")
    strategy: Literal["all", "latest", "random"] = Field(
        "all", description="which rows are preferred where a weight, cap or limit leaves some out"
    )
    seed: int | None = Field(None, ge=0, description="needed for, and only for, `random`")
    limit: int | None = Field(None, ge=1, description="most rows to choose")
    max_per_family: int | None = Field(None, ge=1, description="most rows of any one family")
    family_caps: dict[str, int] = Field({}, description="most rows of a family, by its name")
    splits: Literal["kept", "drawn"] = Field(
        "kept",
        description="kept: a question stays in the split of its version; drawn: the shares decide anew",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        weights = [part.weight for part in self.parts]
        if None in weights and any(weights):
            raise ValueError("`weight` is needed for every part or for none")
        if (self.seed is not None) != (self.strategy == "random"):
            raise ValueError("`seed` is needed for strategy `random` and allowed for no other")
        if self.strategy == "all" and (any(weights) or self.limit or self.max_per_family or self.family_caps):
            raise ValueError("a limit, cap or weight needs strategy `latest` or `random`")
        if any(cap < 0 for cap in self.family_caps.values()):
            raise ValueError("`family_caps` must not be negative")
        return self


SensitiveAction = Literal["keep", "redact", "reject"]
SplitRule = Literal["prompt", "near_duplicates"]


class Redaction(Artifact):
    """What is done with traces that hold what should not be in them."""

    secrets: SensitiveAction = Field("keep", description="API keys, private keys, passwords")
    personal_data: SensitiveAction = Field(
        "keep", description="e-mail addresses, telephone and card numbers, IP addresses"
    )


class DatasetRecipe(Artifact):
    """How one dataset version is made."""

    description: str = Field(min_length=1, description="what the dataset is, in a sentence or two")
    license: str = Field(min_length=1, description="SPDX identifier of the licence of the data")
    source: (
        GeneratorSource | JsonlSource | ParquetSource | HuggingFaceSource | UngarSource | VersionsSource
    ) = Field(discriminator="kind")
    splits: dict[Split, float] = Field(
        default={"train": 0.9, "validation": 0.05, "test": 0.05},
        description="share of each split; they add up to 1",
    )
    max_reject_rate: float = Field(0.0, ge=0.0, lt=1.0, description="rejected share of the lines allowed")
    train: bool = Field(
        False,
        description="where Dagster keeps assets up to date: train on it with the default settings, ask, score"
        " and rank, whenever its tokens are new; no part of what the dataset is",
    )
    # Left out of the canonical form where nothing is asked for: recipes that are older keep their digest.
    redact: Redaction | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="what is done with secrets and personal data; null: nothing is looked for",
    )
    split_by: SplitRule = Field(
        "prompt",
        exclude_if=lambda value: value == "prompt",
        description="what stays in one split: equal prompts, or whole groups of near-duplicates as well",
    )

    def digest(self) -> str:
        """Return the sha256 of what makes the dataset; what is done with it afterwards does not count."""
        return sha256_hex(canonical_json(self.model_dump(mode="json", exclude={"train"})) + b"\n")

    @field_validator("splits")
    @classmethod
    def _shares_add_up(cls, value: dict[Split, float]) -> dict[Split, float]:
        if any(share < 0 for share in value.values()) or abs(sum(value.values()) - 1) > 1e-9:
            raise ValueError("the shares must not be negative and must add up to 1")
        return value

    @model_validator(mode="after")
    def _splits_are_free(self) -> Self:
        source = self.source
        if (
            self.split_by == "near_duplicates"
            and isinstance(source, VersionsSource)
            and source.splits == "kept"
        ):
            raise ValueError("`split_by: near_duplicates` needs `splits: drawn` in a source of versions")
        return self


def _paths_in(text: str) -> tuple[str, ...]:
    """Return the paths in the braces of a text.

    Raises:
        ValueError: a brace is open or empty, or holds more than a path.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; a brace that is meant as one is doubled") from error
    paths = tuple(path for _, path, _, _ in parts if path is not None)
    if any(spec or conversion for _, _, spec, conversion in parts) or not all(paths):
        raise ValueError(f"{text!r}: braces hold a dotted path; one that is meant as one is doubled")
    return paths


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
