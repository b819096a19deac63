"""The trial table of a sweep in the store: the one truth about which trials there are and how they stand."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import TRIALS_SCHEMA, SweepIdentity, Trial
from tunix_ml.parquet import read_table, write_table
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

TABLE = "trials"
TRIALS_FILE, IDENTITY_FILE = "trials.parquet", "identity.json"
_OWNERSHIP_TIMEOUT_S = 5.0  # a killed driver may take a moment to be gone


class TrialTable:
    """The trials of one sweep; each change is published before anything is done about it."""

    def __init__(self, store: Store, identity: SweepIdentity) -> None:
        self._identity = identity
        self.slot: Slot = store.slot(TABLE, identity.sweep_id())
        self._trials: dict[int, Trial] = {}

    def owned(self) -> AbstractContextManager[None]:
        """Hold the sweep for this process alone.

        Raises:
            LeaseHeld: another process drives it.
        """
        return self.slot.ownership(timeout_s=_OWNERSHIP_TIMEOUT_S)

    def load(self, *, retry_failed: bool) -> int:
        """Read what an earlier process has left; return how many trials it was interrupted in.

        Those wait again, and so do, if that is asked for, those that have failed.

        Raises:
            ContractError: the table is of another sweep.
        """
        if self.slot.pointer() is None:
            return 0
        snapshot = self.slot.resolve()
        found = SweepIdentity.read(snapshot.file(IDENTITY_FILE)).fingerprint()
        if found != self._identity.fingerprint():
            raise ContractError(
                f"{snapshot.path} is of the sweep {found}, not {self._identity.fingerprint()}"
            )
        trials = read_trials(snapshot)
        again = {"running", "failed"} if retry_failed else {"running"}
        self._trials = {trial.number: trial for trial in trials}
        self.change({trial.number: _WAITING for trial in trials if trial.status in again})
        return sum(trial.status == "running" for trial in trials)

    @property
    def search(self) -> list[Trial]:
        """The trials that were thought of by the engine, in order."""
        return [trial for trial in self._ordered() if trial.kind == "search"]

    @property
    def reruns(self) -> list[Trial]:
        """The best recipe with other seeds, in order."""
        return [trial for trial in self._ordered() if trial.kind == "rerun"]

    def __getitem__(self, number: int) -> Trial:
        return self._trials[number]

    def add(self, trials: Iterable[Trial]) -> None:
        """Add trials and publish the table."""
        self._trials |= {trial.number: trial for trial in trials}
        self._publish()

    def change(self, changes: dict[int, dict[str, Any]]) -> None:
        """Change fields of some trials and publish the table.

        Raises:
            ValidationError: a trial would have a metric without being complete, or none although it is.
        """
        for number, fields in changes.items():
            known = self._trials[number].model_dump()
            self._trials[number] = Trial.model_validate({**known, **fields})
        if changes:
            self._publish()

    def write(self, folder: Path) -> None:
        """Write the table and what it is of into a folder."""
        (folder / IDENTITY_FILE).write_bytes(self._identity.to_json())
        rows = [trial.to_row() for trial in self._ordered()]
        write_table(TRIALS_SCHEMA.table(rows), folder / TRIALS_FILE)

    def _publish(self) -> None:
        parents = {"tokenized_examples": self._identity.base.tokens_digest}
        with self.slot.publish(parents=parents, code_version=source_digest("tuning")) as draft:
            self.write(draft.path)

    def _ordered(self) -> Sequence[Trial]:
        return [self._trials[number] for number in sorted(self._trials)]


_WAITING = {"status": "waiting", "reason": None}


def read_trials(snapshot: Snapshot) -> list[Trial]:
    """Return the trials of a published table, verified, in their order."""
    return [Trial.from_row(row) for row in read_table(snapshot.file(TRIALS_FILE)).to_pylist()]
