"""The artifact store: the only module that knows where artifacts lie and how they are published.

A slot holds one artifact under a name. Publishing writes a whole new directory, named by its content digest,
and then moves the slot's pointer to it; a reader sees the old artifact or the new one, never a mixture.

    $TUNIX_HOME/lake/<table>/<key>/pointer.json              which content is current, written last
    $TUNIX_HOME/lake/<table>/<key>/<digest16>/artifact.json  its files with sha256, parents, code version
    $TUNIX_HOME/lake/<table>/<key>/<digest16>/…              the files, immutable
    $TUNIX_HOME/runs/<run_id>/…                              a run's own files, and slots of the same form
"""

import contextlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet as pq

from tunix_ml.contracts.artifact import ArtifactFile, ArtifactRecord, SlotPointer
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH, file_sha256, record_digest
from tunix_ml.durable import TEMPORARY_PREFIX, LeaseHeld, lease, sync, sync_tree, write_atomically

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_POINTER = "pointer.json"
_RECORD = "artifact.json"
_LEASE = ".lease"
_CORRUPT = ".corrupt-"
LEASE_TIMEOUT_S = 60.0

Stored = TypeVar("Stored", ArtifactRecord, SlotPointer)


class StoreError(Exception):
    """Something is wrong with the store; its subclasses say what.

    StoreError
    ├── NotPublished      there is no such artifact
    ├── VersionConflict   an immutable version would change its content
    ├── CorruptArtifact   files are missing or differ from what was published
    └── StaleGeneration   another writer moved the pointer since the lease was taken
    """


class NotPublished(StoreError):
    """There is no such artifact."""


class VersionConflict(StoreError):
    """An immutable version would change its content."""


class CorruptArtifact(StoreError):
    """Files of an artifact are missing or differ from what was published."""


class StaleGeneration(StoreError):
    """Another writer moved the pointer since the lease was taken."""


@dataclass(frozen=True)
class Snapshot:
    """One published artifact: an immutable directory and the record of what is in it."""

    path: Path
    record: ArtifactRecord

    @property
    def digest(self) -> str:
        """The content digest, sha256 in hexadecimal."""
        return self.record.content_digest

    def file(self, name: str) -> Path:
        """Return the path of one file after comparing its sha256 with the record.

        Raises:
            NotPublished: the artifact has no file of this name.
            CorruptArtifact: the file is missing or its bytes have changed.
        """
        if name not in self.record.files:
            raise NotPublished(f"{self.path} has no file {name!r}, it has {sorted(self.record.files)}")
        problem = self._problem(name)
        if problem:
            raise CorruptArtifact(problem)
        return self.path / name

    def verify(self) -> list[str]:
        """Return one sentence for each file that is missing, changed or was not published."""
        problems = [problem for name in self.record.files if (problem := self._problem(name))]
        expected = {*self.record.files, _RECORD}
        extra = sorted({_relative(path, self.path) for path in _files_below(self.path)} - expected)
        return problems + [f"{self.path / name} was never published" for name in extra]

    def _problem(self, name: str) -> str | None:
        path, expected = self.path / name, self.record.files[name]
        if not path.is_file():
            return f"{path} is missing"
        found = file_sha256(path)
        if found != expected.sha256:
            return f"{path} has sha256 {found}, published as {expected.sha256}"
        return None


@dataclass
class Draft:
    """An artifact being written: put the files below `path`; they are published when the block ends."""

    path: Path
    content_digest: str | None = None
    parents: dict[str, str] = field(default_factory=dict)
    _snapshot: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The published artifact, once the block has ended."""
        if self._snapshot is None:
            raise NotPublished(f"the draft {self.path} has not been published yet")
        return self._snapshot


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
        bytes. The same content again changes nothing and adopts what lies there, unless that is damaged, in
        which case it is set aside and replaced.

        Raises:
            VersionConflict: the slot is immutable and holds other content.
            LeaseHeld: another process was publishing here for longer than `lease_timeout_s`.
            StaleGeneration: the pointer moved although this process held the lease.
        """
        self._make_directory()
        with lease(self.path / _LEASE, timeout_s=lease_timeout_s):
            generation = self._generation()
            draft_path = self.path / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            draft_path.mkdir()
            draft = Draft(draft_path, content_digest, dict(parents or {}))
            try:
                yield draft
                record = self._seal(draft, code_version)
                if immutable:
                    self._refuse_other_content(record.content_digest)
                snapshot = self._place(draft_path, record)
                self._point_to(snapshot, generation)
            finally:
                shutil.rmtree(draft_path, ignore_errors=True)
            draft._snapshot = snapshot

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
        record_path = self._directory(digest) / _RECORD
        if not record_path.is_file():
            current = pointer.content_digest if pointer else "nothing"
            raise NotPublished(f"{self.table} of {self.key!r} has no content {digest}, current is {current}")
        if pointer and digest == pointer.content_digest and file_sha256(record_path) != pointer.record_sha256:
            raise CorruptArtifact(f"{record_path} differs from what {self.path / _POINTER} points to")
        return Snapshot(record_path.parent, _read(ArtifactRecord, record_path))

    def pointer(self) -> SlotPointer | None:
        """Return the slot's pointer, None if nothing was published.

        Raises:
            CorruptArtifact: the pointer is damaged.
        """
        path = self.path / _POINTER
        return _read(SlotPointer, path) if path.exists() else None

    def _make_directory(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / _POINTER).exists():
            for directory in (self.path.parent, self.path.parent.parent):
                sync(directory)

    def _generation(self) -> int:
        pointer = self.pointer()
        return pointer.generation if pointer else 0

    def _directory(self, digest: str) -> Path:
        return self.path / digest[:DIGEST_PREFIX_LENGTH]

    def _seal(self, draft: Draft, code_version: str) -> ArtifactRecord:
        files = {_relative(path, draft.path): _describe(path) for path in _files_below(draft.path)}
        if not files:
            raise ContractError(f"{self.table} of {self.key!r} would be published without a file")
        digest = draft.content_digest or record_digest({name: file.sha256 for name, file in files.items()})
        record = ArtifactRecord(
            table=self.table,
            key=self.key,
            content_digest=digest,
            files=files,
            parents=draft.parents,
            code_version=code_version,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        (draft.path / _RECORD).write_bytes(record.to_json())
        sync_tree(draft.path)
        return record

    def _refuse_other_content(self, digest: str) -> None:
        pointer = self.pointer()
        if pointer and pointer.content_digest != digest:
            raise VersionConflict(
                f"{self.table} of {self.key!r} is published with content {pointer.content_digest} and would"
                f" become {digest}; a version never changes content: give the new content a new version"
            )

    def _place(self, draft_path: Path, record: ArtifactRecord) -> Snapshot:
        directory = self._directory(record.content_digest)
        if directory.exists():
            existing = self._sound(directory, record.content_digest)
            if existing:
                os.utime(directory)  # young again for gc
                return existing
            directory.rename(self.path / f"{_CORRUPT}{directory.name}-{uuid.uuid4().hex}")
        draft_path.rename(directory)
        sync(self.path)
        return Snapshot(directory, record)

    def _sound(self, directory: Path, digest: str) -> Snapshot | None:
        """Return what lies in the directory if it is whole and of this digest, else None."""
        try:
            snapshot = Snapshot(directory, _read(ArtifactRecord, directory / _RECORD))
        except (CorruptArtifact, FileNotFoundError):
            return None
        return snapshot if snapshot.digest == digest and not snapshot.verify() else None

    def _point_to(self, snapshot: Snapshot, generation: int) -> None:
        found = self._generation()
        if found != generation:
            raise StaleGeneration(
                f"{self.path / _POINTER} went from generation {generation} to {found} under another writer"
            )
        pointer = SlotPointer(
            content_digest=snapshot.digest,
            record_sha256=file_sha256(snapshot.path / _RECORD),
            generation=generation + 1,
        )
        current = self.pointer()
        if current is None or current.model_copy(update={"generation": generation + 1}) != pointer:
            write_atomically(self.path / _POINTER, pointer.to_json())


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run: identity, provenance, metrics, checkpoints, and its artifacts in slots."""

    path: Path
    run_id: str

    def slot(self, name: str) -> Slot:
        """Return a slot of this run; `name` may have several parts, `predictions/golden-v2.test`."""
        parts = [_check_name(part) for part in name.split("/")]
        return Slot(self.path.joinpath(*parts), name, self.run_id)

    def lease(self, *, timeout_s: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Hold the run for this process alone.

        Raises:
            LeaseHeld: another process holds it for longer than `timeout_s`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        return lease(self.path / _LEASE, timeout_s=timeout_s)


@dataclass(frozen=True)
class Store:
    """All artifacts below one home directory."""

    home: Path

    @classmethod
    def from_environment(cls) -> "Store":
        """Return the store at `$TUNIX_HOME`, or at `.tunix` in the working directory."""
        return cls(Path(os.environ.get("TUNIX_HOME") or ".tunix").resolve())

    def slot(self, table: str, key: str) -> Slot:
        """Return the slot of a table for one key: a dataset version, or `all`."""
        return Slot(self.home / "lake" / _check_name(table) / _check_name(key), table, key)

    def run(self, run_id: str) -> RunDirectory:
        """Return the directory of one run; it is made when something is written there."""
        return RunDirectory(self.home / "runs" / _check_name(run_id), run_id)

    def run_ids(self) -> list[str]:
        """Return the ids of all runs that have an identity, sorted."""
        return sorted(path.parent.name for path in self.home.glob("runs/*/config.json"))

    def slots(self) -> list[Slot]:
        """Return every slot in which something was ever written."""
        lake = [Slot(path, path.parent.name, path.name) for path in sorted(self.home.glob("lake/*/*"))]
        runs = []
        for run in sorted(self.home.glob("runs/*")):
            paths = sorted({lease_file.parent for lease_file in run.rglob(_LEASE)} - {run})
            runs += [Slot(path, _relative(path, run), run.name) for path in paths]
        return lake + runs

    def verify(self) -> list[str]:
        """Return one sentence for each damage in any current artifact."""
        problems: list[str] = []
        for slot in self.slots():
            try:
                problems += slot.resolve().verify() if slot.pointer() else []
            except StoreError as error:
                problems.append(str(error))
        return problems

    def gc(self, *, grace_s: float) -> list[Path]:
        """Delete drafts and contents that nothing refers to and that are older than the grace, and name them.

        Referred to is what a pointer points to, what an artifact so held names as a parent, and what a run's
        `config.json` names. A slot in which a process is writing is left alone.
        """
        held = self._referenced_digests()
        removed: list[Path] = []
        for slot in self.slots():
            with contextlib.suppress(LeaseHeld), lease(slot.path / _LEASE, timeout_s=0.0):
                for path in _collectable(slot, held, time.time() - grace_s):
                    _delete(path)
                    removed.append(path)
        return removed

    def _referenced_digests(self) -> set[str]:
        held: set[str] = set()
        for path in self.home.glob("runs/*/config.json"):
            held |= set(re.findall(r"[0-9a-f]{64}", path.read_text()))
        for slot in self.slots():
            if slot.pointer():
                record = slot.resolve().record
                held |= {record.content_digest, *record.parents.values()}
        return held


def _collectable(slot: Slot, held: set[str], written_before: float) -> list[Path]:
    pointer = slot.pointer()
    current = {pointer.content_digest} if pointer else set()
    kept = {digest[:DIGEST_PREFIX_LENGTH] for digest in held | current}
    candidates = [
        path
        for path in slot.path.iterdir()
        if path.name not in kept and (path.name.startswith(TEMPORARY_PREFIX) or (path / _RECORD).exists())
    ]
    return [path for path in sorted(candidates) if path.stat().st_mtime < written_before]


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise ContractError(
            f"{name!r:.140} cannot name an artifact: letters, digits, '.', '_', '-', at most 128 characters"
        )
    return name


def _read(contract: type[Stored], path: Path) -> Stored:
    try:
        return contract.read(path)
    except ContractError as error:
        raise CorruptArtifact(str(error)) from error


def _describe(path: Path) -> ArtifactFile:
    rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
    return ArtifactFile(sha256=file_sha256(path), num_bytes=path.stat().st_size, num_rows=rows)


def _files_below(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()
