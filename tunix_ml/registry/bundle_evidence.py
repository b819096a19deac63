"""The evidence of a submission bundle, gathered from what a run left in the store; nothing is filled in."""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.bundle import (
    AskedSet,
    Environment,
    EvaluationSummary,
    GitSource,
    PackageSource,
    RunManifest,
    ScoredSet,
)
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.explain import describe
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.datasets.evaluation_set import OWN
from tunix_ml.evaluation.report import eval_slot, predictions_slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory

_PACKAGE = "tunix-rt"


class NoEvidence(TunixError):
    """A run has not left what a bundle has to prove."""


class Answered(NamedTuple):
    """An evaluation set that a run answered: its report, and the predictions that the report is about."""

    report: EvalReport
    evaluated: Snapshot
    meta: PredictionsMeta
    predicted: Snapshot


class Evidence(NamedTuple):
    """The three documents."""

    manifest: RunManifest
    summary: EvaluationSummary
    environment: Environment


def answered(run: RunDirectory, evals: Mapping[str, Digest]) -> dict[str, Answered]:
    """Read reports of a run, and the predictions behind each, by evaluation set.

    Args:
        run: whose they are.
        evals: content digest of the report of each evaluation set.

    Raises:
        NotPublished: one of them is gone.
        CorruptArtifact: its files have changed.
    """
    found = {}
    for name, digest in evals.items():
        evaluated = eval_slot(run, name).resolve(digest)
        report = EvalReport.read(evaluated.file("eval.json"))
        predicted = predictions_slot(run, name).resolve(report.inputs["predictions"])
        meta = PredictionsMeta.read(predicted.file("predictions_meta.json"))
        found[name] = Answered(report, evaluated, meta, predicted)
    return found


def gather_evidence(run: RunDirectory, sets: Mapping[str, Answered]) -> Evidence:
    """Return the evidence of a run and the sets it answered.

    Raises:
        NoEvidence: something that has to be proven is not there, a score or a device; the message names it.
    """
    identity = RunIdentity.read(run.path / "config.json")
    record = CheckpointRecord.read(run.path / "checkpoint.json")
    for name, found in sets.items():
        if found.meta.model_digest != record.model_digest:
            raise NoEvidence(
                f"the predictions of {name} are of model {found.meta.model_digest}, {run.run_id} has"
                f" {record.model_digest}: materialize predictions again"
            )
    return Evidence(_manifest(identity, record, sets), _summary(identity, sets), _environment(run))


def _manifest(identity: RunIdentity, record: CheckpointRecord, sets: Mapping[str, Answered]) -> RunManifest:
    kept = set(RunManifest.model_fields)
    return RunManifest(
        **{name: value for name, value in record.model_dump().items() if name in kept},
        **identity.model_dump(include=kept - {"train", "dataset_version"}),
        fingerprint=identity.fingerprint(),
        train=_set_ones(identity.train.model_dump(mode="json")),
        evaluation_sets={name: _asked(found) for name, found in sets.items()},
    )


def _asked(found: Answered) -> AskedSet:
    return AskedSet(
        num_items=found.meta.num_items,
        items_digest=found.meta.evaluation_set_digest,
        source_digest=found.meta.source_digest,
        predictions_digest=found.predicted.digest,
        eval_digest=found.evaluated.digest,
        decoding=_set_ones(found.meta.decoding.model_dump(mode="json")),
        device=found.meta.device,
    )


def _summary(identity: RunIdentity, sets: Mapping[str, Answered]) -> EvaluationSummary:
    own = evaluation_set_name(identity.dataset_version, OWN)
    scored = {name: _scored(found.report) for name, found in sets.items()}
    chosen = own if own in scored else next(iter(scored))
    return EvaluationSummary(
        run_id=identity.run_id(),
        evaluation_set=chosen,
        primary_metric=sets[chosen].report.primary_metric,
        score=scored[chosen].score,
        evaluation_sets=scored,
    )


def _scored(report: EvalReport) -> ScoredSet:
    name = f"{report.run_id} on {report.evaluation_set}"
    if report.primary_score is None:
        missing = report.n_items - report.n_scored
        raise NoEvidence(f"{name} has no score: {missing} of {report.n_items} items have none")
    found = report.metrics[report.primary_metric]
    if found.ci95_low is None or found.ci95_high is None:
        raise NoEvidence(f"{name} has a score over {found.n} items, too few for an interval")
    if report.self_test is None:
        raise NoEvidence(f"{name} was scored without a self-test of the scorer")
    return ScoredSet(
        score=report.primary_score,
        stderr=found.stderr,
        ci95_low=found.ci95_low,
        ci95_high=found.ci95_high,
        n=found.n,
        status_counts=report.status_counts,
        metrics={metric: estimate.mean for metric, estimate in report.metrics.items()},
        gold_mean=report.self_test.gold_mean,
        shuffled_mean=report.self_test.shuffled_mean,
    )


def _environment(run: RunDirectory) -> Environment:
    """Return where the last session of a run trained, as it noted itself."""
    path = run.path / "provenance.json"
    if not path.exists():
        raise NoEvidence(f"{path} is missing, so nobody knows where {run.run_id} was trained")
    facts: dict[str, Any] = json.loads(path.read_bytes())
    kept = _set_ones({name: facts.get(name) for name in Environment.model_fields})
    fields = {
        **kept,
        "source": _source(facts),
        "num_devices": len(facts.get("devices", ())),
        "packages": _set_ones(facts.get("packages", {})),
        "variables": facts.get("environment", {}),
        "execution": _set_ones(facts.get("execution", {})),
    }
    return _validated(fields, path)


def _validated(fields: Mapping[str, Any], path: Path) -> Environment:
    try:
        return Environment.model_validate(fields)
    except ValidationError as error:
        problems = describe(error, Environment)
        raise NoEvidence(f"{path} does not say all that a bundle has to: {problems}") from error


def _source(facts: Mapping[str, Any]) -> GitSource | PackageSource:
    if facts.get("commit"):
        return GitSource(commit=facts["commit"], is_changed=bool(facts.get("dirty")))
    return PackageSource(version=metadata.version(_PACKAGE))


def _set_ones(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are set."""
    return {name: value for name, value in values.items() if value is not None}
