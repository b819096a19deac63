"""The archive: one version of a registered model, with all that proves it, in a single file.

    MANIFEST.json                      every other member with its sha256
    model/…                            the Hugging Face folder
    predictions/…  eval/…              what its score is made of
    run/config.json, …                 identity, record and provenance of the run
    events/<sequence>.json             the log of the registered model

The same content gives the same bytes: members are sorted, and bear no times, owners or rights of their own.
"""

import io
import os
import tarfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from tunix_ml import durable
from tunix_ml.contracts.archive import ArchiveManifest
from tunix_ml.contracts.artifact import ArtifactFile, Digest
from tunix_ml.contracts.canonical import file_sha256
from tunix_ml.contracts.registry import ModelVersion
from tunix_ml.evaluation.report import eval_slot, predictions_slot
from tunix_ml.registry.archive_reader import EVENTS, MANIFEST, MODEL, verify_archive
from tunix_ml.registry.events import EventLog, event_log
from tunix_ml.registry.evidence import damage
from tunix_ml.registry.models import RegisteredModel, fold
from tunix_ml.registry.policy import Scope
from tunix_ml.store import CorruptArtifact, NotPublished, Snapshot, Store

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
        members={member: _described(file) for member, file in members.items()},
    )
    _write(path, manifest, members)
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


def _described(path: Path) -> ArtifactFile:
    return ArtifactFile(sha256=file_sha256(path), num_bytes=path.stat().st_size)


def _write(path: Path, manifest: ArchiveManifest, members: Mapping[str, Path]) -> None:
    temporary = path.with_name(f"{durable.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            data = manifest.to_json()
            tar.addfile(_header(MANIFEST, len(data)), io.BytesIO(data))
            for name, file in sorted(members.items()):
                with file.open("rb") as source:
                    tar.addfile(_header(name, manifest.members[name].num_bytes), source)
        verify_archive(temporary)
        durable.sync(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - as in `durable`
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync(path.parent)


def _header(name: str, num_bytes: int) -> tarfile.TarInfo:
    """Return the header of a member: a plain file that everybody may read, of no time and no owner."""
    header = tarfile.TarInfo(name)
    header.size, header.mode = num_bytes, 0o644
    return header
