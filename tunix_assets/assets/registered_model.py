"""The asset `registered_model`."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from asset_checks.catalog import blocking_checks
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import inline_table
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH
from tunix_ml.contracts.gate import GateReport
from tunix_ml.contracts.registry import PromotionOutcome, RegisteredModelRecord, RegistryConfig, RegistryEvent
from tunix_ml.provenance import source_digest
from tunix_ml.registry.actions import carry_out, make_request, prepare
from tunix_ml.registry.evidence import device_of
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.registry.policy import Row, inputs_of
from tunix_ml.registry.record import publish_registry, read_events, read_record, require_whole_logs
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

_AUDITED = ("checkpoint", "predictions", "eval_report")
_PARTITION_TAG = "dagster/partition"
_NUM_EVENTS_SHOWN = 8


class RegisteredModelConfig(RegistryConfig, dg.Config):
    """The run configuration of `registered_model`."""


@dg.asset(
    deps=["leaderboard"],
    group_name="results",
    code_version=source_digest("registry"),
    kinds={"json"},
    pool="accelerator",
    retry_policy=RETRIES,
)
def registered_model(
    context: dg.AssetExecutionContext,
    config: RegisteredModelConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """The model registry: which version of each model is the champion, and every decision that led there.

    Unless told otherwise it registers every run with a valid score on an evaluation set, asks the best one's
    model some of its questions again, holds it against the champion, and promotes it if nothing stands
    against that; what does is listed. Other actions promote, reject, roll back or retire by name, and fail
    with all the reasons where they must not be. It is made by hand and is no part of the pipeline.
    """
    settings = RegistryConfig.model_validate(
        {name: getattr(config, name) for name in RegistryConfig.model_fields}
    )
    home = store.store()
    with clear_failures():
        require_whole_logs(home)
        checks = {asset: blocking_checks(asset) for asset in _AUDITED}
        rows = collect_leaderboard(home, required_checks=checks["eval_report"]).rows
        request = make_request(
            settings, rows, dataset_version=context.run.tags.get(_PARTITION_TAG), required_checks=checks
        )
        row = prepare(home, request, rows)
        hindrance = _ask_again(context, worker, home, row, settings.num_reproduced_items) if row else None
        outcome = carry_out(home, request, rows, hindrance=hindrance)
        snapshot = publish_registry(home, outcome)
        for line in (f"{outcome.model}: {outcome.result} {outcome.run_id or ''}", *outcome.reasons):
            context.log.info(line)
        return _describe(snapshot)


def _ask_again(
    context: dg.AssetExecutionContext, worker: WorkerResource, store: Store, row: Row, num_items: int
) -> str | None:
    """Have the model of a row's run asked again in a process of its own, and return why it could not be."""
    try:
        job = {
            "home": str(store.home),
            "run_id": row["run_id"],
            "evaluation_set": row["evaluation_set"],
            "predictions_digest": inputs_of(row).get("predictions"),
            "num_items": num_items,
            "device": device_of(store, row),
        }
        worker.run(context, "tunix_ml.inference.reproduce", job)
    except dg.Failure as failure:
        return failure.description or "its process failed"
    except TunixError as error:
        return str(error)
    return None


def _describe(snapshot: Snapshot) -> dg.MaterializeResult[None]:
    record = read_record(snapshot)
    outcome, model = record.outcome, record.models.get(record.outcome.model)
    events = [event for event in read_events(snapshot) if event.model == outcome.model]
    heads = {name: found.head.model_dump(mode="json") for name, found in record.models.items()}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "model": outcome.model,
            "result": outcome.result,
            "reasons": dg.MetadataValue.md("\n".join(f"* {reason}" for reason in outcome.reasons) or "none"),
            **_model_metadata(model, events),
            **_gate_metadata(outcome),
            "heads": dg.MetadataValue.json(heads),
            "content_digest": snapshot.digest,
            "path": dg.MetadataValue.path(snapshot.path),
        },
    )


def _model_metadata(model: RegisteredModelRecord | None, events: Sequence[RegistryEvent]) -> dict[str, Any]:
    if model is None:
        return {}
    champions = [version.run_id for version in model.versions if version.status == "champion"]
    versions = [
        (version.status, version.run_id, version.version[:DIGEST_PREFIX_LENGTH], version.decided_at)
        for version in reversed(model.versions)
    ]
    tail = [
        (event.sequence, event.kind, event.run_id, event.actor, event.reason)
        for event in reversed(events[-_NUM_EVENTS_SHOWN:])
    ]
    return {
        "champion": champions[0] if champions else "none",
        "versions": inline_table(["status", "run", "version", "since"], versions),
        "events": inline_table(["event", "kind", "run", "actor", "reason"], tail),
    }


def _gate_metadata(outcome: PromotionOutcome) -> dict[str, Any]:
    if outcome.gate is None:
        return {}
    shown = [(name, getattr(outcome.gate, name)) for name in GateReport.model_fields]
    rows = [(name, f"{value:.4f}" if isinstance(value, float) else value) for name, value in shown]
    return {"gate": inline_table(["gate", "value"], rows)}
