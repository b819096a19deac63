"""The registry's log: one immutable file for each event, each bound to the one before by its sha256.

    $TUNIX_HOME/registry/<model>/events/<sequence>.json

Nothing is ever changed or deleted here. A log that was cut short is whole in itself; it gives itself away
against a head recorded elsewhere, as the asset `registered_model` records it with each materialization.
"""

import contextlib
import os
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tunix_ml import durable
from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.registry import Decision, RegistryEvent, RegistryHead, check_model_name
from tunix_ml.registry.chain import chain_problems, event_file_name
from tunix_ml.store import Store

LEASE_TIMEOUT_S = 60.0
_EVENT_FILE = re.compile(r"(?!0{8})[0-9]{8}\.json")
_MOST_NAMED = 3


class RegistryError(TunixError):
    """Something is wrong with the registry, or with what was asked of it; its subclasses say what.

    RegistryError
    ├── CorruptLog          an event is missing, changed, inserted or out of its order
    ├── StaleDecision       another event was appended since the decision was prepared
    ├── IllegalTransition   a version cannot go from its status to that one
    └── DecisionRefused     what a promotion or a roll-back demands is not fulfilled
    """


class CorruptLog(RegistryError):
    """An event is missing, changed, inserted or out of its order."""


class StaleDecision(RegistryError):
    """Another event was appended since the decision was prepared."""


@dataclass(frozen=True)
class EventLog:
    """The events of one registered model, appended one at a time and never changed."""

    path: Path
    model: str

    def read(self) -> list[RegistryEvent]:
        """Return all events in their order, after verifying the whole chain.

        Raises:
            CorruptLog: an event is missing, changed, inserted or out of its order; the message names it.
        """
        files = self._files()
        if problems := [*self._strangers(), *chain_problems(files, model=self.model, folder=self.folder)]:
            more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
            raise CorruptLog("; ".join(problems[:_MOST_NAMED]) + more)
        return [RegistryEvent.parse(data, subject=self.model) for data in files.values()]

    def verify(self, *, head: RegistryHead | None = None) -> list[str]:
        """Return one sentence for each event that is not what was appended.

        Args:
            head: an event that was the last one once; the log has to hold it, and may have grown since.
        """
        chain = chain_problems(self._files(), model=self.model, folder=self.folder, head=head)
        return [*self._strangers(), *chain]

    def append(
        self, decision: Decision, *, after: Digest | None, lease_timeout_s: float = LEASE_TIMEOUT_S
    ) -> RegistryEvent:
        """Append a decision that was prepared when the log ended with the event of digest `after`.

        When this returns, the event is on the disk. Killed at any point, the log holds it whole or not at
        all, and the next writer goes on.

        Raises:
            StaleDecision: the log has another last event by now.
            CorruptLog: the log is damaged.
            LeaseHeld: another process was appending for longer than `lease_timeout_s`.
        """
        durable.make_directory(self.folder)
        with durable.lease(self.path / ".lease", timeout_s=lease_timeout_s):
            events = self.read()
            if head_digest(events) != after:
                raise StaleDecision(
                    f"the registry of {self.model!r} has other events by now ({len(events)}): decide again"
                )
            event = RegistryEvent(
                **{name: getattr(decision, name) for name in Decision.model_fields},
                sequence=len(events) + 1,
                model=self.model,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                previous=after,
            )
            self._create(self.file(event.sequence), event.to_json())
        return event

    @property
    def folder(self) -> Path:
        """Where the events lie, and nothing else."""
        return self.path / "events"

    def file(self, sequence: int) -> Path:
        """Return where an event lies."""
        return self.folder / event_file_name(sequence)

    def _files(self) -> dict[int, bytes]:
        """Return the bytes of each event by its number, in order.

        They are opened by number, not as the folder lists them: once one is there, all before it are, also
        while others are being appended.
        """
        names = (path.name for path in self.folder.glob("*"))
        last = max((int(name[:8]) for name in names if _EVENT_FILE.fullmatch(name)), default=0)
        files = {}
        for number in range(1, last + 1):
            with contextlib.suppress(FileNotFoundError):
                files[number] = self.file(number).read_bytes()
        return files

    def _strangers(self) -> list[str]:
        found = [path for path in sorted(self.folder.glob("*")) if not _EVENT_FILE.fullmatch(path.name)]
        return [f"{path} is no event, nothing else belongs there" for path in found]

    def _create(self, path: Path, data: bytes) -> None:
        """Write a file that does not exist yet, whole and durably.

        A link is made only where there is no file, so that a writer who has lost its lease takes nobody's
        number.
        """
        durable.sweep(self.path, [f"{durable.TEMPORARY_PREFIX}*"], kept=(), written_before=float("inf"))
        temporary = self.path / f"{durable.TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        try:
            temporary.write_bytes(data)
            durable.sync(temporary)
            os.link(temporary, path)
        except FileExistsError:
            raise StaleDecision(f"{path} was appended by another writer meanwhile: decide again") from None
        finally:
            temporary.unlink(missing_ok=True)
        durable.sync(path.parent)


def event_log(store: Store, model: str) -> EventLog:
    """Return the log of a registered model; its folder is made when something is appended.

    Raises:
        ContractError: the name cannot be the name of a folder.
    """
    return EventLog(store.home / "registry" / check_model_name(model), model)


def registered_names(store: Store) -> list[str]:
    """Return the names of all models that have an event, sorted."""
    return sorted({path.parents[1].name for path in store.home.glob("registry/*/events/*.json")})


def head_digest(events: Sequence[RegistryEvent]) -> Digest | None:
    """Return the sha256 of the last event, None if there is none."""
    return events[-1].digest() if events else None
