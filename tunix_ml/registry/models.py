"""Registered models: which versions there are, their status and aliases, as their events leave them.

The status of a version:

    registered   known, and not the newest that waits
    candidate    the newest that waits for a decision
    champion     in office
    archived     was in office and may be rolled back to
    rejected     refused, or taken out of office by a roll-back; only promoting it by name brings it back
    retired      over for good
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH
from tunix_ml.contracts.registry import (
    Decision,
    ModelVersion,
    RegisteredModelRecord,
    RegistryEvent,
    RegistryHead,
    VersionStatus,
)
from tunix_ml.registry.events import CorruptLog, RegistryError, event_log
from tunix_ml.store import Store

WAITING: frozenset[VersionStatus] = frozenset({"registered", "candidate"})


class IllegalTransition(RegistryError):
    """A version cannot go from its status to that one."""


@dataclass(frozen=True)
class RegisteredModel:
    """The state of one registered model after some events.

    `offices` are the versions that were champion and may be again, in the order in which they came into
    office; the last one is the champion.
    """

    name: str
    head: RegistryHead | None = None
    versions: Mapping[Digest, ModelVersion] = field(default_factory=dict)
    offices: tuple[Digest, ...] = ()

    @property
    def champion(self) -> ModelVersion | None:
        """The version in office."""
        return self.versions[self.offices[-1]] if self.offices else None

    @property
    def former_champion(self) -> ModelVersion | None:
        """The version that a roll-back goes to."""
        return self.versions[self.offices[-2]] if len(self.offices) > 1 else None

    @property
    def candidate(self) -> ModelVersion | None:
        """The newest version that waits for a decision."""
        found = (version for version in self.versions.values() if version.status == "candidate")
        return next(found, None)

    @property
    def aliases(self) -> dict[str, Digest]:
        """The version that each alias stands for now: candidate, champion, archived."""
        named = {
            "candidate": self.candidate,
            "champion": self.champion,
            "archived": self.former_champion,
        }
        return {alias: version.version for alias, version in named.items() if version is not None}

    def of_run(self, run_id: str) -> ModelVersion | None:
        """Return the version whose evidence is of a run."""
        return next((version for version in self.versions.values() if version.run_id == run_id), None)

    def record(self) -> RegisteredModelRecord | None:
        """Return what is published of it, None before its first event."""
        if self.head is None:
            return None
        versions = list(self.versions.values())
        return RegisteredModelRecord(head=self.head, aliases=self.aliases, versions=versions)


def read_registered(store: Store, name: str) -> RegisteredModel:
    """Return a registered model as its log leaves it, verified; one without an event is empty.

    Raises:
        CorruptLog: the log is damaged, or holds an event that could not follow those before it.
    """
    return fold(name, event_log(store, name).read())


def fold(name: str, events: Iterable[RegistryEvent]) -> RegisteredModel:
    """Return the state after some events.

    Raises:
        CorruptLog: an event could not follow those before it.
    """
    model = RegisteredModel(name)
    for event in events:
        if reasons := illegal(model, event):
            raise CorruptLog(f"event {event.sequence} of {name!r} cannot have been: {'; '.join(reasons)}")
        model = _after(model, event)
    return model


def decide(store: Store, model: RegisteredModel, decision: Decision) -> RegisteredModel:
    """Append a decision to the log that this state was read from, and return the state after it.

    Raises:
        IllegalTransition: the version cannot go there from its status; the message has every reason.
        StaleDecision: another event was appended since the state was read.
    """
    if reasons := illegal(model, decision):
        raise IllegalTransition("; ".join(reasons))
    after = model.head.event_digest if model.head else None
    return _after(model, event_log(store, model.name).append(decision, after=after))


def illegal(model: RegisteredModel, decision: Decision) -> list[str]:
    """Return why a decision cannot be taken in this state; nothing if it can."""
    version, label = model.versions.get(decision.version), label_of(decision.run_id, decision.version)
    if decision.kind == "register":
        return [f"{label} is registered already"] if version else []
    if version is None:
        return [f"{label} is not registered in {model.name!r}"]
    found = {
        f"{label} is retired, which is for good": version.status == "retired",
        f"{label} is the champion already": (decision.kind, version.status) == ("promote", "champion"),
        f"{label} is rejected already": (decision.kind, version.status) == ("reject", "rejected"),
        f"{label} is the champion: promote another version or roll back first": (
            decision.kind in {"reject", "retire"} and version.status == "champion"
        ),
        f"{label} is no former champion of {model.name!r}": (
            decision.kind == "roll_back" and version.version not in model.offices[:-1]
        ),
    }
    return [reason for reason, holds in found.items() if holds]


def label_of(run_id: str, version: Digest) -> str:
    """Return how a version is named in a sentence."""
    return f"{run_id} (version {version[:DIGEST_PREFIX_LENGTH]})"


def _after(model: RegisteredModel, event: RegistryEvent) -> RegisteredModel:
    """Return the state after an event that is legal."""
    head = RegistryHead(sequence=event.sequence, event_digest=event.digest())
    offices = _offices_after(model.offices, event)
    statuses = _statuses_after(model, event)
    versions = {
        digest: _decided(version, statuses[digest], event) if digest in statuses else version
        for digest, version in model.versions.items()
    }
    if event.kind == "register":
        versions[event.version] = _registered(event)
    elif event.evidence:
        shown = ("run_id", "evaluation_set", "scorer", "evidence")
        update = {name: getattr(event, name) for name in shown}
        versions[event.version] = versions[event.version].model_copy(update=update)
    return replace(model, head=head, versions=versions, offices=offices)


def _offices_after(offices: tuple[Digest, ...], event: RegistryEvent) -> tuple[Digest, ...]:
    others = tuple(digest for digest in offices if digest != event.version)
    match event.kind:
        case "promote":
            return (*others, event.version)
        case "roll_back":
            return (*(digest for digest in others if digest != offices[-1]), event.version)
        case "reject" | "retire":
            return others
    return offices


def _statuses_after(model: RegisteredModel, event: RegistryEvent) -> dict[Digest, VersionStatus]:
    """Return the new status of every version that gets another one, but for one that is new."""
    champion, candidate = model.champion, model.candidate
    match event.kind:
        case "register":
            return {candidate.version: "registered"} if candidate else {}
        case "promote":
            former: dict[Digest, VersionStatus] = {champion.version: "archived"} if champion else {}
            return former | {event.version: "champion"}
        case "roll_back":
            ousted: dict[Digest, VersionStatus] = {champion.version: "rejected"} if champion else {}
            return ousted | {event.version: "champion"}
        case "reject":
            return {event.version: "rejected"}
        case "retire":
            return {event.version: "retired"}


def _decided(version: ModelVersion, status: VersionStatus, event: RegistryEvent) -> ModelVersion:
    return version.model_copy(update={"status": status, "decided_at": event.at, "reason": event.reason})


def _registered(event: RegistryEvent) -> ModelVersion:
    return ModelVersion(
        version=event.version,
        run_id=event.run_id,
        status="candidate",
        evaluation_set=event.evaluation_set,
        scorer=event.scorer,
        evidence=event.evidence,
        registered_at=event.at,
        decided_at=event.at,
        reason=event.reason,
    )
