"""`manifest.json`: what a dataset version is, and what it was made from."""

from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.recipe import SplitRule
from tunix_ml.contracts.trace import Split

# Of larger versions the table alone names the traces: a million ids would be 35 MB in every reader.
MAX_LISTED_TRACE_IDS = 10_000


class Counts(NamedTuple):
    """Where every record that was read has gone."""

    read: int
    kept: int
    rejected: int
    filtered: int
    duplicates: int

    def problems(self) -> list[str]:
        """Say what does not add up: read = kept + rejected + filtered + duplicates."""
        total = self.kept + self.rejected + self.filtered + self.duplicates
        if total == self.read and min(self) >= 0:
            return []
        return [
            f"{self.read} records were read, but {self.kept} kept + {self.rejected} rejected"
            f" + {self.filtered} filtered + {self.duplicates} duplicates make {total}"
        ]


class SourceFile(Artifact):
    """One input of a dataset version."""

    name: str = Field(description="file name, or `generator:<name>`")
    sha256: str = Field(description="digest of the bytes as they lie on disk, or of the generator call")
    num_bytes: int = Field(ge=0, description="size as it lies on disk; 0 for a generator")
    num_records: int = Field(ge=0, description="non-blank lines, or generated traces")


class DatasetManifest(Artifact):
    """The manifest of one dataset version, under the field names of the original system."""

    dataset_key: str = Field(description="the dataset version in full, `golden-v2`: the partition key")
    dataset_name: str = Field(description="the part before the version, `golden`")
    dataset_version: str = Field(description="the version alone, `v2`")
    dataset_schema_version: str = "2.0"
    dataset_digest: str = Field(description="sha256 over the sorted digests of trace and split")
    build_id: UUID = Field(description="derived from the dataset digest: the same content, the same id")
    created_at: str = Field(description="when this content was first published, UTC, ISO 8601")
    description: str
    license: str
    filters: dict[str, Any] = Field(default={}, description="selection criteria; empty: every valid trace")
    selection_strategy: Literal["all", "latest", "random"] = "all"
    seed: int | None = Field(description="seed of the generator or of a random selection, null for files")
    trace_ids: tuple[str, ...] = Field(
        description="ids of the traces, in the table's order; empty for more than 10,000, see the table"
    )
    trace_count: int = Field(ge=0)
    stats: dict[str, Any] = Field(description="lengths and families, see the dataset card")
    session_id: str | None = None
    parent_dataset_id: str | None = Field(None, description="the dataset version this one extends")
    training_run_id: str | None = None
    splits: dict[Split, int] = Field(description="number of traces in each split")
    read_count: int = Field(ge=0, description="records read: kept, rejected and filtered")
    reject_count: int = Field(ge=0, description="rows of the rejects table, the duplicates among them")
    duplicate_count: int = Field(0, ge=0, description="rejects whose content stood at an earlier place")
    filtered_count: int = Field(0, ge=0, description="valid records the recipe left out: rows of that table")
    redacted_count: int = Field(0, ge=0, description="kept traces from which something was taken out")
    split_by: SplitRule = Field("prompt", description="what stays in one split, as the recipe has it")
    sources: tuple[SourceFile, ...]
    recipe_digest: str = Field(description="sha256 of the recipe's canonical form")
    generator_version: str | None = Field(description="version of the generator, null for files")
    code_version: str = Field(description="digest of the source code that built it")

    def counts(self) -> Counts:
        """Return where every record has gone; here the duplicates stand apart from the rejected."""
        return Counts(
            read=self.read_count,
            kept=self.trace_count,
            rejected=self.reject_count - self.duplicate_count,
            filtered=self.filtered_count,
            duplicates=self.duplicate_count,
        )
