"""A draft: an artifact while it is being written, and the record that seals it."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tunix_ml import durable
from tunix_ml.contracts.artifact import ArtifactFile, ArtifactRecord
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import file_sha256, record_digest
from tunix_ml.parquet import count_rows
from tunix_ml.snapshot import RECORD_FILE, NotPublished, Snapshot

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass
class Draft:
    """An artifact being written: put the files below `path`; they are published when the block ends.

    Attributes:
        content_digest: of what is written; None: it is taken over the names and bytes of the files.
        parents: content digest of everything it is made from, by name.
        published: the published artifact, once the block has ended.
    """

    path: Path
    content_digest: str | None = None
    parents: dict[str, str] = field(default_factory=dict)
    published: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The published artifact.

        Raises:
            NotPublished: the block has not ended yet.
        """
        if self.published is None:
            raise NotPublished(f"the draft {self.path} has not been published yet")
        return self.published

    def seal(self, *, table: str, key: str, code_version: str) -> ArtifactRecord:
        """Write the record of all files beside them, bring everything to the disk, and return the record.

        Raises:
            ContractError: there is no file, one that cannot be published, or no sha256 as content digest.
        """
        files = self._describe_files(table)
        record = ArtifactRecord(
            table=table,
            key=key,
            content_digest=self._digest_over(files, table),
            files=files,
            parents=self.parents,
            code_version=code_version,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        (self.path / RECORD_FILE).write_bytes(record.to_json())
        durable.sync_tree(self.path)
        return record

    def _describe_files(self, table: str) -> dict[str, ArtifactFile]:
        paths = durable.plain_files(self.path)
        files = {path.relative_to(self.path).as_posix(): _describe(path) for path in paths}
        if not files or RECORD_FILE in files:
            raise ContractError(f"{table} holds {sorted(files)}, expected a file not named {RECORD_FILE}")
        return files

    def _digest_over(self, files: dict[str, ArtifactFile], table: str) -> str:
        digest = self.content_digest or record_digest({name: file.sha256 for name, file in files.items()})
        if not _DIGEST.fullmatch(digest):
            raise ContractError(f"{table}: content digest {digest!r:.100} is not a sha256 in hexadecimal")
        return digest


def _describe(path: Path) -> ArtifactFile:
    rows = count_rows(path) if path.suffix == ".parquet" else None
    return ArtifactFile(sha256=file_sha256(path), num_bytes=path.stat().st_size, num_rows=rows)
