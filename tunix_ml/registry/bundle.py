"""The submission bundle: one run as a single file, with all that another needs to use it and to check it.

    README.md                  what each file is, and how to check them
    SHA256SUMS                 of every other file, as `sha256sum -c` reads it
    evidence/*.json            run manifest, evaluation summary, environment: generated, without a null
    model/…                    the Hugging Face folder
    predictions/<set>/…        what the model wrote
    eval/<set>/…               its score, with every item behind it
    items/<set>.jsonl          the questions with their answers
    run/…                      identity, record, provenance and metrics of the run

The same content gives the same bytes. The archive of a registered model is another thing: `registry.archive`.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import items_asked
from tunix_ml.provenance import source_digest
from tunix_ml.registry.bundle_evidence import Answered, Evidence, answered, gather_evidence
from tunix_ml.registry.bundle_reader import ENVIRONMENT, MANIFEST, README, SUMMARY, SUMS, verify_bundle
from tunix_ml.registry.bundle_readme import render_readme
from tunix_ml.registry.tarball import Member, described, write_tarball
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

ASSET = "submission_bundle"
BUNDLE_FILE = "submission_bundle.tar.gz"
_RUN_FILES = ("config.json", "checkpoint.json", "provenance.json", "metrics.jsonl")


def publish_bundle(store: Store, run_id: str, evals: Mapping[str, Digest]) -> Snapshot:
    """Publish the bundle of a finished run and of its reports.

    Args:
        store: where everything lies.
        run_id: of the run.
        evals: content digest of the report of each evaluation set that goes into it.

    Raises:
        NoEvidence: the run lacks something that has to be proven, as a score.
        NotPublished: model, predictions or reports are gone.
        CorruptArtifact: files of them have changed.
    """
    run = store.run(run_id)
    sets = answered(run, evals)
    evidence = gather_evidence(run, sets)
    members = _members(store, run_id, sets) | _documents(evidence)
    members[README] = render_readme(evidence, list(members)).encode()
    digests = {name: described(content).sha256 for name, content in members.items()}
    members[SUMS] = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
    slot = bundle_slot(store, evidence.manifest.dataset_version)
    with slot.publish(
        content_digest=record_digest(digests),
        parents=_parents(evidence, sets),
        code_version=source_digest("registry"),
    ) as draft:
        write_tarball(draft.path / BUNDLE_FILE, _sorted(members), verify=verify_bundle)
    return draft.snapshot


def bundle_slot(store: Store, dataset_version: str) -> Slot:
    """Return where the bundle of a dataset version's run is published."""
    return store.slot(ASSET, dataset_version)


def _members(store: Store, run_id: str, sets: Mapping[str, Answered]) -> dict[str, bytes | Path]:
    """Return what the bundle takes over as it is, verified, by name."""
    run = store.run(run_id)
    record = CheckpointRecord.read(run.path / "checkpoint.json")
    members: dict[str, bytes | Path] = _files("model", run.slot("model").resolve(record.model_digest))
    for name, found in sets.items():
        members |= _files(f"predictions/{name}", found.predicted) | _files(f"eval/{name}", found.evaluated)
        members[f"items/{name}.jsonl"] = _items(store, found)
    return members | {f"run/{name}": run.path / name for name in _RUN_FILES}


def _files(folder: str, snapshot: Snapshot) -> dict[str, bytes | Path]:
    return {f"{folder}/{name}": snapshot.file(name) for name in snapshot.record.files}


def _items(store: Store, found: Answered) -> bytes:
    return msgspec.json.Encoder().encode_lines(items_asked(store, found.meta).items)


def _documents(evidence: Evidence) -> dict[str, bytes | Path]:
    return {
        MANIFEST: evidence.manifest.to_json(),
        SUMMARY: evidence.summary.to_json(),
        ENVIRONMENT: evidence.environment.to_json(),
    }


def _parents(evidence: Evidence, sets: Mapping[str, Answered]) -> dict[str, Digest]:
    return {
        "model": evidence.manifest.model_digest,
        **{f"predictions/{name}": found.predicted.digest for name, found in sets.items()},
        **{f"eval/{name}": found.evaluated.digest for name, found in sets.items()},
    }


def _sorted(members: Mapping[str, bytes | Path]) -> list[Member]:
    return sorted(members.items(), key=lambda member: member[0])
