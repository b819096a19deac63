"""The artifact store: the only module that knows where artifacts lie.

How one is written is the business of `draft` and `slot`, what is read of it that of `snapshot`.

    $TUNIX_HOME/lake/<table>/<key>/    a slot: a dataset version of a table, or `all` of it
    $TUNIX_HOME/runs/<run_id>/…        a run's own files, and slots of the same form
"""

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from tunix_ml import durable
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH
from tunix_ml.durable import TEMPORARY_PREFIX, LeaseHeld, lease
from tunix_ml.slot import CORRUPT_PREFIX, LEASE_FILE, POINTER_FILE, Slot

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_IDENTITIES = ("config.json", "system.json")
_DRAFT = f"{TEMPORARY_PREFIX}*"
_COLLECTED = ("[0-9a-f]" * DIGEST_PREFIX_LENGTH, _DRAFT, f"{CORRUPT_PREFIX}*", f"audits/*/{_DRAFT}")


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
        pointers = sorted(self.path.joinpath(_check_name(group)).glob(f"*/{POINTER_FILE}"))
        return [self.slot(f"{group}/{pointer.parent.name}") for pointer in pointers]

    def lease(self, *, timeout_s: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Hold the run for this process alone.

        Raises:
            LeaseHeld: another process holds it for longer than `timeout_s`.
        """
        durable.make_directory(self.path)
        return lease(self.path / LEASE_FILE, timeout_s=timeout_s)


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
            paths = {mark.parent for name in (LEASE_FILE, POINTER_FILE) for mark in run.rglob(name)} - {run}
            slots += [Slot(path, path.relative_to(run).as_posix(), run.name) for path in sorted(paths)]
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
            with contextlib.suppress(LeaseHeld), lease(slot.path / LEASE_FILE, timeout_s=0.0):
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
                found = [snapshot for slot, pointer in pointers if (snapshot := slot.find(digest, pointer))]
                wanted += [parent for snapshot in found for parent in snapshot.record.parents.values()]
        return held


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise ContractError(f"{name!r:.140} cannot name an artifact: 1 to 128 letters, digits, '.', '_', '-'")
    return name
