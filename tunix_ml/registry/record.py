"""The registry as an artifact: every registered model, its log's head, and the decision taken last.

    $TUNIX_HOME/lake/registered_model/all/<digest>/registry.json   models, versions, aliases, heads, outcome
                                                   events.jsonl    every event of every model, for people

The heads published here give a log away that was cut short afterwards, and the parents keep what the
versions rest on from being collected.
"""

from collections.abc import Iterable, Mapping

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.registry import PromotionOutcome, RegistryEvent, RegistryHead, RegistryRecord
from tunix_ml.provenance import source_digest
from tunix_ml.registry.events import CorruptLog, event_log, registered_names
from tunix_ml.registry.models import RegisteredModel, fold
from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store

ASSET, KEY = "registered_model", "all"
RECORD_FILE, EVENTS_FILE = "registry.json", "events.jsonl"
_KEPT = {"registered", "candidate", "champion", "archived"}
_CONTENTS = ("model", "checkpoint", "predictions", "eval", "reproduction")


def publish_registry(store: Store, outcome: PromotionOutcome) -> Snapshot:
    """Publish all registered models as their logs leave them, with what was decided last.

    Raises:
        CorruptLog: a log is damaged, or no longer holds the head that was published before.
    """
    require_whole_logs(store)
    events = {name: event_log(store, name).read() for name in registered_names(store)}
    models = {name: fold(name, found) for name, found in events.items()}
    records = {name: record for name, model in models.items() if (record := model.record())}
    document = RegistryRecord(outcome=outcome, models=records)
    slot = registry_slot(store)
    with slot.publish(parents=_parents(models.values()), code_version=source_digest("registry")) as draft:
        (draft.path / RECORD_FILE).write_bytes(document.to_json())
        lines = (event.to_json() for found in events.values() for event in found)
        (draft.path / EVENTS_FILE).write_bytes(b"".join(lines))
    return draft.snapshot


def read_record(snapshot: Snapshot) -> RegistryRecord:
    """Read a published registry, verified."""
    return RegistryRecord.read(snapshot.file(RECORD_FILE))


def read_events(snapshot: Snapshot) -> list[RegistryEvent]:
    """Read the events that were published, verified, by model and number."""
    lines = snapshot.file(EVENTS_FILE).read_bytes().splitlines()
    return [RegistryEvent.parse(line, subject=EVENTS_FILE) for line in lines]


def registry_slot(store: Store) -> Slot:
    """Return where the registry is published."""
    return store.slot(ASSET, KEY)


def require_whole_logs(store: Store) -> None:
    """Check every log against its own chain and against the head that was published last.

    Raises:
        CorruptLog: an event is missing or changed; the message names it.
    """
    if problems := log_problems(store, heads=published_heads(store)):
        raise CorruptLog("; ".join(problems))


def log_problems(store: Store, *, heads: Mapping[str, RegistryHead]) -> list[str]:
    """Return one sentence for each event of any model that is not what was appended.

    Args:
        store: where the logs lie.
        heads: the last event of each model at some time, by its name; the logs have to hold them.
    """
    names = sorted({*registered_names(store), *heads})
    return [problem for name in names for problem in event_log(store, name).verify(head=heads.get(name))]


def published_heads(store: Store) -> dict[str, RegistryHead]:
    """Return the last event of each model when the registry was published last, by the model's name.

    Raises:
        CorruptLog: what was published is damaged, so that nobody knows them.
    """
    slot = registry_slot(store)
    try:
        record = read_record(slot.resolve())
    except NotPublished:
        return {}
    except CorruptArtifact as error:
        raise CorruptLog(
            f"the heads of the logs cannot be read: {error.args[0].partition(';')[0]};"
            f" restore it, or look through the logs yourself and delete {slot.path}"
        ) from error
    return {name: model.head for name, model in record.models.items()}


def _parents(models: Iterable[RegisteredModel]) -> dict[str, Digest]:
    """Return what the versions rest on that may be needed again, so that it is not collected."""
    return {
        f"{model.name}/{version.run_id}/{name}": digest
        for model in models
        for version in model.versions.values()
        if version.status in _KEPT
        for name, digest in {**version.evidence, "model": version.version}.items()
        if name in _CONTENTS
    }
