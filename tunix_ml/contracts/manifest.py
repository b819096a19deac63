"""`manifest.json`: what a dataset version is, and what it was made from."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.trace import Split


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
    selection_strategy: Literal["all"] = "all"
    seed: int | None = Field(description="seed of the generator, null for files")
    trace_ids: tuple[str, ...] = Field(description="ids of the traces, in the table's order")
    trace_count: int = Field(ge=0)
    stats: dict[str, Any] = Field(description="lengths and families, see the dataset card")
    session_id: str | None = None
    parent_dataset_id: str | None = Field(None, description="the dataset version this one extends")
    training_run_id: str | None = None
    splits: dict[Split, int] = Field(description="number of traces in each split")
    read_count: int = Field(ge=0, description="records read: kept plus rejected")
    reject_count: int = Field(ge=0, description="records rejected: rows of the rejects table")
    sources: tuple[SourceFile, ...]
    recipe_digest: str = Field(description="sha256 of the recipe's canonical form")
    generator_version: str | None = Field(description="version of the generator, null for files")
    code_version: str = Field(description="digest of the source code that built it")
