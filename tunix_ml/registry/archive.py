"""The archive: one version of a registered model, with all that proves it, in a single file.

    MANIFEST.json                      every other member with its sha256
    model/…                            the Hugging Face folder
    predictions/…  eval/…              what its score is made of
    run/config.json, …                 identity, record and provenance of the run
    events/<sequence>.json             the log of the registered model

The same content gives the same bytes: members are sorted, and bear no times, owners or rights of their own.
"""

from pathlib import Path

from tunix_ml.contracts.archive import ArchiveManifest
from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.registry import ModelVersion
from tunix_ml.evaluation.report import eval_slot, predictions_slot
from tunix_ml.registry.archive_reader import EVENTS, MANIFEST, MODEL, verify_archive
from tunix_ml.registry.events import EventLog, event_log
from tunix_ml.registry.evidence import damage
from tunix_ml.registry.models import RegisteredModel, fold
from tunix_ml.registry.policy import Scope
from tunix_ml.registry.tarball import Member, described, write_tarball
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store

_RUN_FILES = ("config.json", "checkpoint.json", "provenance.json")


def export_archive(store: Store, name: str, path: Path, *, version: Digest | None = None) -> ArchiveManifest:
    """Write one version of a registered model as an archive; it gets its name when it is whole and verified.

    Args:
        store: where everything lies.
        name: of the registered model.
        path: the file to write; one of this name is replaced.
        version: content digest of the model; None: the champion's.

    Raises:
        NotPublished: there is no such version, or no champion.
        CorruptArtifact: files of the version are missing or changed.
        CorruptLog: the log is damaged.
    """
    log = event_log(store, name)
    model = fold(name, log.read())
    chosen = _chosen(model, version)
    scope = Scope(chosen.evaluation_set, chosen.scorer)
    if problems := damage(store, chosen.run_id, {**chosen.evidence, "model": chosen.version}, scope=scope):
        raise CorruptArtifact("; ".join(problems))
    members = _members(store, chosen) | _event_members(log, model)
    manifest = ArchiveManifest(
        model=name,
        version=chosen.version,
        run_id=chosen.run_id,
        evaluation_set=chosen.evaluation_set,
        scorer=chosen.scorer,
        head=model.head,
        members={member: described(file) for member, file in members.items()},
    )
    listed: list[Member] = [(MANIFEST, manifest.to_json()), *sorted(members.items())]
    write_tarball(path, listed, verify=verify_archive)
    return manifest


def _chosen(model: RegisteredModel, version: Digest | None) -> ModelVersion:
    chosen = model.versions.get(version) if version else model.champion
    if chosen is None:
        missing = f"version {version}" if version else "champion"
        raise NotPublished(f"the registered model {model.name!r} has no {missing}")
    return chosen


def _members(store: Store, version: ModelVersion) -> dict[str, Path]:
    """Return the files of a version, verified, by their name in the archive."""
    run = store.run(version.run_id)
    contents = {
        MODEL: run.slot("model").resolve(version.version),
        "predictions": predictions_slot(run, version.evaluation_set).resolve(version.evidence["predictions"]),
        "eval": eval_slot(run, version.evaluation_set, version.scorer).resolve(version.evidence["eval"]),
    }
    files = {f"{folder}/{name}": path for folder, found in contents.items() for name, path in _files(found)}
    return files | {f"run/{name}": run.path / name for name in _RUN_FILES if (run.path / name).exists()}


def _files(snapshot: Snapshot) -> list[tuple[str, Path]]:
    return [(name, snapshot.file(name)) for name in snapshot.record.files]


def _event_members(log: EventLog, model: RegisteredModel) -> dict[str, Path]:
    numbers = range(1, model.head.sequence + 1 if model.head else 1)
    return {f"{EVENTS}/{log.file(number).name}": log.file(number) for number in numbers}
