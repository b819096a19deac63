"""What the store writes about an artifact: its record, and the pointer to the current one."""

from pydantic import Field

from tunix_ml.contracts.base import Artifact

Digest = str


class ArtifactFile(Artifact):
    """One file of an artifact."""

    sha256: Digest
    num_bytes: int = Field(ge=0)
    num_rows: int | None = Field(None, description="rows of a Parquet file, null for others")


class ArtifactRecord(Artifact):
    """`artifact.json`: what an artifact is made of and from."""

    table: str = Field(description="the asset, or the run's slot")
    key: str = Field(description="the dataset version, the run id, or `all`")
    content_digest: Digest = Field(min_length=64, max_length=64)
    files: dict[str, ArtifactFile]
    parents: dict[str, Digest] = Field(description="content digests of what it was made from")
    code_version: str = Field(description="digest of the source code that made it")
    created_at: str = Field(description="UTC, ISO 8601")


class SlotPointer(Artifact):
    """`pointer.json`: which content of a slot is current."""

    content_digest: Digest = Field(min_length=64, max_length=64)
    record_sha256: Digest = Field(description="sha256 of the artifact.json pointed to")
    generation: int = Field(ge=1, description="grows by one with every move of the pointer")


class Audit(Artifact):
    """The verdict of one check about one content."""

    check: str
    content_digest: Digest
    passed: bool = Field(
        description="whether what is made from the content may be made: a warning stops nothing"
    )
    is_warning: bool = Field(default=False, description="it found something that stops nothing")
    description: str = Field(description="what was found, in a sentence")
    audited_at: str = Field(description="UTC, ISO 8601")

    @property
    def verdict(self) -> str:
        """The verdict in a word, for a person."""
        if not self.passed:
            return "failed"
        return "warning" if self.is_warning else "passed"
