"""Where each asset's content lies in the store: which slot, and which content of it a Dagster run means."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import dagster as dg

from asset_checks.outcome import Subject
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import eval_slot, predictions_slot
from tunix_ml.store import RunDirectory, Slot, Store

Context: TypeAlias = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext

RUN_SLOTS = {"predictions": predictions_slot, "eval_report": eval_slot}
UNPARTITIONED = "all"


class Materialized(NamedTuple):
    """What a materialization in the present Dagster run says it published."""

    content_digest: str
    tunix_run_id: str | None


def materialized_here(context: Context, asset: str, key: str) -> Materialized | None:
    """Return what this Dagster run, or the one it re-executes, has materialized of an asset, or None.

    Two Dagster runs may work on one dataset version with different recipes; each must go on with its own
    content, not with whichever was published last.
    """
    for record in _materializations(context):
        found = record.event_log_entry.asset_materialization
        if found and found.asset_key == dg.AssetKey(asset) and (found.partition or UNPARTITIONED) == key:
            run_id = found.metadata.get("run_id")
            return Materialized(
                str(found.metadata["content_digest"].value), str(run_id.value) if run_id else None
            )
    return None


def _materializations(context: Context) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations of this run, then those of the runs it re-executes, the latest first."""
    run_ids = (context.run.run_id, context.run.parent_run_id, context.run.root_run_id)
    for run_id in dict.fromkeys(filter(None, run_ids)):
        connection = context.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        yield from reversed(connection.records)


def resolve_subject(context: Context, store: Store, asset: str, key: str) -> Subject:
    """Return the content of an asset that this Dagster run means: its own, else the current one.

    Raises:
        NotPublished: there is none.
    """
    here = materialized_here(context, asset, key)
    slot = asset_slot(store, asset, key, run=_run_of(context, store, asset, key, here))
    return Subject(store, key, slot, slot.resolve(here.content_digest if here else None))


def asset_slot(store: Store, asset: str, key: str, *, run: RunDirectory | None = None) -> Slot:
    """Return the slot of an asset; what belongs to a run lies in the directory of `run`."""
    if run is None:
        return store.slot(asset, key)
    return RUN_SLOTS[asset](run, evaluation_set_name(key, "test"))


def current_run(store: Store, dataset_version: str) -> RunDirectory:
    """Return the run that the checkpoint asset of a dataset version holds now.

    Raises:
        NotPublished: no checkpoint of it has been materialized.
    """
    record = store.slot("checkpoint", dataset_version).resolve().file("checkpoint.json")
    return store.run(CheckpointRecord.read(record).run_id)


def _run_of(
    context: Context,
    store: Store,
    asset: str,
    key: str,
    here: Materialized | None,
) -> RunDirectory | None:
    if asset not in RUN_SLOTS:
        return None
    earlier = (materialized_here(context, name, key) for name in ("predictions", "checkpoint"))
    for upstream in (here, *earlier):
        if upstream and upstream.tunix_run_id:
            return store.run(upstream.tunix_run_id)
    return current_run(store, key)
