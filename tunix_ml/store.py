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

from tunix_ml import durable
from tunix_ml.contracts.artifact import ArtifactFile, ArtifactRecord, SlotPointer
from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH, file_sha256, record_digest, sha256_hex
from tunix_ml.durable import TEMPORARY_PREFIX, LeaseHeld, lease, sync, write_atomically
from tunix_ml.parquet import count_rows

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_POINTER = "pointer.json"
_RECORD = "artifact.json"
_LEASE = ".lease"
_OWNER = ".owner"
_IDENTITIES = ("config.json", "system.json")
_CORRUPT = ".corrupt-"
_COLLECTED = ("[0-9a-f]" * DIGEST_PREFIX_LENGTH, ".tmp-*", ".corrupt-*", "audits/*/.tmp-*")
LEASE_TIMEOUT_S = 60.0


class StoreError(TunixError):
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

    may_pass = True


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
        if problem := self._problem(name):
            raise CorruptArtifact(f"{problem}; materialize {self.record.table} of {self.record.key!r} again")
        return self.path / name

    def verify(self) -> list[str]:
        """Return one sentence for each file that is missing, changed or was not published."""
        problems = [problem for name in self.record.files if (problem := self._problem(name))]
        found = {_relative(path, self.path) for path in self.path.rglob("*") if not path.is_dir()}
        extra = sorted(found - {*self.record.files, _RECORD})
        return problems + [f"{self.path / name} was never published" for name in extra]

    def _problem(self, name: str) -> str | None:
        path, expected = self.path / name, self.record.files[name].sha256
        if path.is_symlink() or not path.is_file():
            return f"{path} is missing"
        found = file_sha256(path)
        return None if found == expected else f"{path} has sha256 {found}, published as {expected}"


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
        with lease(self.path / _LEASE, timeout_s=lease_timeout_s):
            before = self.pointer()
            draft_path = self.path / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
            draft_path.mkdir()
            draft = Draft(draft_path, content_digest, dict(parents or {}))
            try:
                yield draft
                record = self._seal(draft, code_version)
                if immutable and before and before.content_digest != record.content_digest:
                    raise VersionConflict(
                        f"{self.table} of {self.key!r} has content {before.content_digest} and would become"
                        f" {record.content_digest}; a version never changes content: make it a new version"
                    )
                snapshot = self._place(draft_path, record)
                self._point_to(snapshot, before)
            finally:
                shutil.rmtree(draft_path, ignore_errors=True)
            draft._snapshot = snapshot

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
        snapshot = self._read(digest, pointer)
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
        with lease(self.path / _LEASE, timeout_s=lease_timeout_s):
            (self.path / _POINTER).unlink(missing_ok=True)
            sync(self.path)
            durable.touch(snapshot.path)

    def pointer(self) -> SlotPointer | None:
        """Return the slot's pointer, None if nothing was published.

        Raises:
            CorruptArtifact: the pointer is damaged.
        """
        path = self.path / _POINTER
        try:
            return SlotPointer.read(path)
        except FileNotFoundError:
            return None
        except ContractError as error:
            remedy = f"restore it, or delete it and materialize {self.table} of {self.key!r} again"
            raise CorruptArtifact(f"{error}; {remedy}: the same content is then adopted") from error

    def _read(self, digest: str, pointer: SlotPointer | None) -> Snapshot | None:
        """Return what lies under a digest, None if nothing does, after checking its record."""
        is_current = pointer is not None and pointer.content_digest == digest
        path = self._directory(digest) / _RECORD
        try:
            data = path.read_bytes()
            record = ArtifactRecord.parse(data, subject=str(path))
        except FileNotFoundError:
            if not is_current:
                return None
            problem = f"{path} is missing, {_POINTER} points to it"
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

    def _seal(self, draft: Draft, code_version: str) -> ArtifactRecord:
        files = {_relative(path, draft.path): _describe(path) for path in durable.plain_files(draft.path)}
        if not files or _RECORD in files:
            raise ContractError(f"{self.table} holds {sorted(files)}, expected a file not named {_RECORD}")
        digest = draft.content_digest or record_digest({name: file.sha256 for name, file in files.items()})
        if not _DIGEST.fullmatch(digest):
            raise ContractError(
                f"{self.table}: content digest {digest!r:.100} is not a sha256 in hexadecimal"
            )
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
        durable.sync_tree(draft.path)
        return record

    def _place(self, draft_path: Path, record: ArtifactRecord) -> Snapshot:
        directory, pointer = self._directory(record.content_digest), self.pointer()
        with contextlib.suppress(CorruptArtifact):
            existing = self._read(record.content_digest, pointer)
            if existing and not existing.verify():
                durable.touch(directory)
                sync(self.path)  # the writer that renamed it may have been killed before this line
                return existing
        if directory.exists():
            durable.touch(directory)
            directory.rename(self.path / f"{_CORRUPT}{directory.name}-{uuid.uuid4().hex}")
        draft_path.rename(directory)
        sync(self.path)
        return Snapshot(directory, record)

    def _point_to(self, snapshot: Snapshot, before: SlotPointer | None) -> None:
        current = self.pointer()
        if current != before:
            raise StaleGeneration(f"{self.path / _POINTER} went from ({before}) to ({current}) meanwhile")
        sha256, generation = file_sha256(snapshot.path / _RECORD), before.generation + 1 if before else 1
        pointer = SlotPointer(content_digest=snapshot.digest, record_sha256=sha256, generation=generation)
        if before and before.model_copy(update={"generation": generation}) == pointer:
            return
        if before:
            durable.touch(self._directory(before.content_digest))  # from now on unused: its grace starts
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

    def slots(self, group: str) -> list[Slot]:
        """Return the slots of this run below a name, `eval`, in which something is published."""
        pointers = sorted(self.path.joinpath(_check_name(group)).glob(f"*/{_POINTER}"))
        return [self.slot(f"{group}/{pointer.parent.name}") for pointer in pointers]

    def lease(self, *, timeout_s: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Hold the run for this process alone.

        Raises:
            LeaseHeld: another process holds it for longer than `timeout_s`.
        """
        durable.make_directory(self.path)
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
        """Return the ids of all runs that have an identity, our own and those made elsewhere, sorted."""
        found = (path for name in _IDENTITIES for path in self.home.glob(f"runs/*/{name}"))
        return sorted({path.parent.name for path in found})

    def slots(self) -> list[Slot]:
        """Return every slot in which something was ever written."""
        tables = sorted(self.home.glob("lake/*/*/"))
        slots = [Slot(path, path.parent.name, path.name) for path in tables]
        for run in sorted(self.home.glob("runs/*/")):
            paths = {mark.parent for name in (_LEASE, _POINTER) for mark in run.rglob(name)} - {run}
            slots += [Slot(path, _relative(path, run), run.name) for path in sorted(paths)]
        return slots

    def verify(self) -> list[str]:
        """Return one sentence for each damage in any current artifact."""
        return [problem for slot in self.slots() for problem in slot.verify()]

    def gc(self, *, grace_s: float, is_trial: bool = False) -> list[Path]:
        """Delete what nothing refers to and has been so for longer than the grace, and name it.

        A trial names it and deletes nothing.

        Referred to is what a pointer points to, what a run's `config.json` names, and, from parent to parent,
        what those were made from. Leftovers of killed writers go too; where a process is writing, nothing is
        touched. The grace must be longer than any work from resolving its inputs to publishing its output.

        Raises:
            CorruptArtifact: what a damaged artifact refers to is unknown, so nothing is deleted.
        """
        written_before = time.time() - grace_s  # before the references are read: later ones are younger
        held = self._referenced_digests()
        removed: list[Path] = []
        runs = [Slot(path, "run", path.name) for path in sorted(self.home.glob("runs/*/"))]
        for slot in [*self.slots(), *runs]:
            with contextlib.suppress(LeaseHeld), lease(slot.path / _LEASE, timeout_s=0.0):
                pointer = slot.pointer()  # it may have moved since the references were read
                kept = held | {pointer.content_digest} if pointer else held
                names = {digest[:DIGEST_PREFIX_LENGTH] for digest in kept}
                find = durable.outdated if is_trial else durable.sweep
                removed += find(slot.path, _COLLECTED, kept=names, written_before=written_before)
        return removed

    def _referenced_digests(self) -> set[str]:
        pointers = [(slot, slot.pointer()) for slot in self.slots()]
        wanted = [pointer.content_digest for _, pointer in pointers if pointer]
        for path in self.home.glob("runs/*/config.json"):
            wanted += re.findall(r"[0-9a-f]{64}", path.read_text(errors="replace"))
        held: set[str] = set()
        while wanted:
            digest = wanted.pop()
            if digest not in held:
                held.add(digest)
                found = [snapshot for slot, pointer in pointers if (snapshot := slot._read(digest, pointer))]
                wanted += [parent for snapshot in found for parent in snapshot.record.parents.values()]
        return held


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise ContractError(f"{name!r:.140} cannot name an artifact: 1 to 128 letters, digits, '.', '_', '-'")
    return name


def _describe(path: Path) -> ArtifactFile:
    rows = count_rows(path) if path.suffix == ".parquet" else None
    return ArtifactFile(sha256=file_sha256(path), num_bytes=path.stat().st_size, num_rows=rows)


def _relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()
