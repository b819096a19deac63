"""A slot: a named place with one current artifact, published whole or not at all.

Publishing writes a whole new directory, named by its content digest, and then moves the slot's pointer to it;
a reader sees the old artifact or the new one, never a mixture.

    pointer.json              which content is current, written last
    <digest16>/artifact.json  its files with sha256, parents, code version
    <digest16>/…              the files, immutable
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunix_ml import durable
from tunix_ml.contracts.artifact import ArtifactRecord, SlotPointer
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH, file_sha256, sha256_hex
from tunix_ml.draft import Draft
from tunix_ml.durable import TEMPORARY_PREFIX, lease, sync, write_atomically
from tunix_ml.snapshot import RECORD_FILE, CorruptArtifact, NotPublished, Snapshot, StoreError

POINTER_FILE = "pointer.json"
LEASE_FILE = ".lease"
CORRUPT_PREFIX = ".corrupt-"
LEASE_TIMEOUT_S = 60.0
_OWNER = ".owner"


class VersionConflict(StoreError):
    """An immutable version would change its content."""


class StaleGeneration(StoreError):
    """Another writer moved the pointer since the lease was taken."""

    may_pass = True


@dataclass(frozen=True)
class Slot:
    """A named place that holds one current artifact and, until collected, its earlier ones."""

    path: Path
    table: str
    key: str

    @contextlib.contextmanager
    def publish(
        self,
        *,
        content_digest: str | None = None,
        parents: Mapping[str, str] | None = None,
        code_version: str = "",
        immutable: bool = False,
        lease_timeout_s: float = LEASE_TIMEOUT_S,
    ) -> Iterator[Draft]:
        """Write a new artifact and make it the current one, all or nothing.

        Without a content digest, of the caller or set on the draft, it is taken over the files' names and
        bytes. The same content again changes nothing and adopts what lies there, its parents included, unless
        that is damaged, in which case it is set aside and replaced.

        Raises:
            ContractError: the draft has no file, or one that cannot be published.
            VersionConflict: the slot is immutable and holds other content.
            LeaseHeld: another process was publishing here for longer than `lease_timeout_s`.
            StaleGeneration: the pointer moved although this process held the lease.
            CorruptArtifact: the pointer is damaged, so that nobody knows what is current.
        """
        durable.make_directory(self.path)
        with lease(self.path / LEASE_FILE, timeout_s=lease_timeout_s):
            before = self.pointer()
            draft_path = self.path / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            draft_path.mkdir()
            draft = Draft(draft_path, content_digest, dict(parents or {}))
            try:
                yield draft
                record = draft.seal(table=self.table, key=self.key, code_version=code_version)
                if immutable and before and before.content_digest != record.content_digest:
                    raise VersionConflict(
                        f"{self.table} of {self.key!r} has content {before.content_digest} and would become"
                        f" {record.content_digest}; a version never changes content: make it a new version"
                    )
                snapshot = self._place(draft_path, record)
                self._point_to(snapshot, before)
            finally:
                shutil.rmtree(draft_path, ignore_errors=True)
            draft.published = snapshot

    def ownership(self, *, timeout_s: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Hold the slot for this process alone, over several publications.

        Raises:
            LeaseHeld: another process holds it for longer than `timeout_s`.
        """
        durable.make_directory(self.path)
        return lease(self.path / _OWNER, timeout_s=timeout_s)

    def resolve(self, digest: str | None = None) -> Snapshot:
        """Return the current artifact, or the one of a given content digest.

        Raises:
            NotPublished: nothing was published here, or not with this digest.
            CorruptArtifact: the pointer or the record is damaged.
        """
        pointer = self.pointer()
        if digest is None:
            if pointer is None:
                raise NotPublished(f"{self.table} of {self.key!r} has not been materialized yet")
            digest = pointer.content_digest
        snapshot = self.find(digest, pointer)
        if snapshot is None:
            raise NotPublished(f"{self.table} of {self.key!r} has no content {digest}, or no longer")
        return snapshot

    def verify(self) -> list[str]:
        """Return one sentence for each damage in the current artifact; nothing if none is published."""
        try:
            return self.resolve().verify() if self.pointer() else []
        except StoreError as error:
            return [str(error)]

    def withdraw(self, *, lease_timeout_s: float = LEASE_TIMEOUT_S) -> None:
        """Leave the slot without a current artifact; what it held is collected once its grace is over.

        Raises:
            NotPublished: nothing is published here.
            LeaseHeld: another process was publishing here for longer than `lease_timeout_s`.
        """
        snapshot = self.resolve()
        with lease(self.path / LEASE_FILE, timeout_s=lease_timeout_s):
            (self.path / POINTER_FILE).unlink(missing_ok=True)
            sync(self.path)
            durable.touch(snapshot.path)

    def pointer(self) -> SlotPointer | None:
        """Return the slot's pointer, None if nothing was published.

        Raises:
            CorruptArtifact: the pointer is damaged.
        """
        path = self.path / POINTER_FILE
        try:
            return SlotPointer.read(path)
        except FileNotFoundError:
            return None
        except ContractError as error:
            remedy = f"restore it, or delete it and materialize {self.table} of {self.key!r} again"
            raise CorruptArtifact(f"{error}; {remedy}: the same content is then adopted") from error

    def find(self, digest: str, pointer: SlotPointer | None) -> Snapshot | None:
        """Return what lies under a digest, None if nothing does, after checking its record."""
        is_current = pointer is not None and pointer.content_digest == digest
        path = self._directory(digest) / RECORD_FILE
        try:
            data = path.read_bytes()
            record = ArtifactRecord.parse(data, subject=str(path))
        except FileNotFoundError:
            if not is_current:
                return None
            problem = f"{path} is missing, {POINTER_FILE} points to it"
        except ContractError as error:
            problem = str(error)
        else:
            is_pointed_to = not (pointer and is_current) or sha256_hex(data) == pointer.record_sha256
            if is_pointed_to and record.content_digest == digest:
                return Snapshot(path.parent, record)
            problem = f"{path} is not the record of content {digest} that was published"
        raise CorruptArtifact(f"{problem}; materialize {self.table} of {self.key!r} again")

    def _directory(self, digest: str) -> Path:
        return self.path / digest[:DIGEST_PREFIX_LENGTH]

    def _place(self, draft_path: Path, record: ArtifactRecord) -> Snapshot:
        directory, pointer = self._directory(record.content_digest), self.pointer()
        with contextlib.suppress(CorruptArtifact):
            existing = self.find(record.content_digest, pointer)
            if existing and not existing.verify():
                durable.touch(directory)
                sync(self.path)  # the writer that renamed it may have been killed before this line
                return existing
        if directory.exists():
            durable.touch(directory)
            directory.rename(self.path / f"{CORRUPT_PREFIX}{directory.name}-{uuid.uuid4().hex}")
        draft_path.rename(directory)
        sync(self.path)
        return Snapshot(directory, record)

    def _point_to(self, snapshot: Snapshot, before: SlotPointer | None) -> None:
        current = self.pointer()
        if current != before:
            raise StaleGeneration(f"{self.path / POINTER_FILE} went from ({before}) to ({current}) meanwhile")
        sha256, generation = file_sha256(snapshot.path / RECORD_FILE), before.generation + 1 if before else 1
        pointer = SlotPointer(content_digest=snapshot.digest, record_sha256=sha256, generation=generation)
        if before and before.model_copy(update={"generation": generation}) == pointer:
            return
        if before:
            durable.touch(self._directory(before.content_digest))  # from now on unused: its grace starts
        write_atomically(self.path / POINTER_FILE, pointer.to_json())
