"""Where each asset's contents lie in the store: in which slots, and which of them a Dagster run means."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import dagster as dg

from asset_checks.outcome import Severity, Subject
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.datasets.evaluation_set import is_ranking, published_evaluation_sets
from tunix_ml.evaluation.judges.calibration import published_calibrations
from tunix_ml.evaluation.judges.predictions import published_judgements
from tunix_ml.evaluation.report import eval_slot
from tunix_ml.evaluation.systems import external_slots, recipes_slot
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished
from tunix_ml.store import RunDirectory, Store

Context: TypeAlias = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext

EVALUATION_SETS = "evaluation_sets"
EXTERNAL_SYSTEMS = "external_systems"
RECIPES = "recipes"  # of foreign systems: which could be read
UNPARTITIONED = "all"
GATE_TAG = "tunix/gate"  # `error`: a regression is an error in this Dagster run, and no warning
ONLY = ""


def _predicted(run: RunDirectory) -> dict[str, Slot]:
    return {slot.path.name: slot for slot in run.slots("predictions")}


def _evaluated(run: RunDirectory) -> dict[str, Slot]:
    slots = {name: eval_slot(run, name) for name in _predicted(run)}
    return {name: slot for name, slot in slots.items() if slot.pointer()}


def _judged(run: RunDirectory) -> dict[str, Slot]:
    slots = {name: run.slot(f"eval/{name}") for name in published_judgements(run)}
    return {name: slot for name, slot in slots.items() if slot.pointer()}


def _external(store: Store) -> dict[str, Slot]:
    listed = recipes_slot(store)
    return external_slots(store) | ({RECIPES: listed} if listed.pointer() else {})


# Where an asset has several contents, by name: in the directory of a run, or in the store.
# One that is named in neither has a single content, in the slot of its own name and key.
IN_RUN: dict[str, Callable[[RunDirectory], dict[str, Slot]]] = {
    "predictions": _predicted,
    "eval_report": _evaluated,
    "judged_eval": published_judgements,
    "judged_report": _judged,
}
IN_STORE: dict[str, Callable[[Store], dict[str, Slot]]] = {
    EVALUATION_SETS: published_evaluation_sets,
    EXTERNAL_SYSTEMS: _external,
    "judge_calibration": published_calibrations,
}


class Materialized(NamedTuple):
    """What a materialization in the present Dagster run says it published.

    The digests are by evaluation set; an asset of one content has it under an empty name.
    """

    content_digests: dict[str, str]
    tunix_run_id: str | None


def content_metadata(digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata by which a materialization of several contents says what it published."""
    return {
        "content_digest": combined_digest(digests),
        "content_digests": dg.MetadataValue.json(dict(digests)),
    }


def combined_digest(digests: Mapping[str, str]) -> str:
    """Return one digest for contents by name: of a single one its own."""
    return record_digest(dict(digests)) if len(digests) != 1 else next(iter(digests.values()))


def materialized_here(context: Context, asset: str, key: str) -> Materialized | None:
    """Return what this Dagster run, or the one it re-executes, has materialized of an asset, or None.

    Two Dagster runs may work on one dataset version with different recipes; each must go on with its own
    content, not with whichever was published last.
    """
    for record in _materializations(context):
        found = record.event_log_entry.asset_materialization
        if found and found.asset_key == dg.AssetKey(asset) and (found.partition or UNPARTITIONED) == key:
            return _read(found.metadata)
    return None


def _read(metadata: Mapping[str, dg.MetadataValue[Any]]) -> Materialized:
    several, run_id = metadata.get("content_digests"), metadata.get("run_id")
    return Materialized(
        dict(several.value) if several else {ONLY: str(metadata["content_digest"].value)},
        str(run_id.value) if run_id else None,
    )


def _materializations(context: Context) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations of this run, then those of the runs it re-executes, the latest first."""
    run_ids = (context.run.run_id, context.run.parent_run_id, context.run.root_run_id)
    for run_id in dict.fromkeys(filter(None, run_ids)):
        connection = context.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        yield from reversed(connection.records)


def resolve_subjects(context: Context, store: Store, asset: str, key: str) -> list[Subject]:
    """Return the contents of an asset that this Dagster run means: its own, else the current ones.

    There is one, or one for each evaluation set; none only if this Dagster run has published none.

    Raises:
        NotPublished: there is none.
    """
    here = materialized_here(context, asset, key)
    digests = here.content_digests if here else {}
    slots = _slots(context, store, asset, key, here)
    if not slots and here is None:
        raise NotPublished(f"{asset} of {key!r} has not been materialized yet")
    severity: Severity = "ERROR" if context.run.tags.get(GATE_TAG) == "error" else "WARN"
    return [
        Subject(store, key, slot, slot.resolve(digests.get(name)), name, severity)
        for name, slot in slots.items()
    ]


def current_run(store: Store, dataset_version: str) -> RunDirectory:
    """Return the run that the checkpoint asset of a dataset version holds now.

    Raises:
        NotPublished: no checkpoint of it has been materialized.
    """
    record = store.slot("checkpoint", dataset_version).resolve().file("checkpoint.json")
    return store.run(CheckpointRecord.read(record).run_id)


def _slots(
    context: Context, store: Store, asset: str, key: str, here: Materialized | None
) -> dict[str, Slot]:
    """Return the slots of an asset by name: those it published here, else those there are."""
    if asset in IN_RUN:
        found = IN_RUN[asset](_run_of(context, store, key, here))
    elif asset in IN_STORE:
        found = IN_STORE[asset](store)
    else:
        return {ONLY: store.slot(asset, key)}
    # What a sweep has asked on its way is none of the contents that an asset has published.
    names = here.content_digests if here else list(filter(is_ranking, found))
    if gone := [name for name in names if name not in found]:
        raise NotPublished(f"{asset} of {gone[0]!r} is not published, or no longer")
    return {name: found[name] for name in names}


def _run_of(context: Context, store: Store, key: str, here: Materialized | None) -> RunDirectory:
    """Return the run whose directory holds the asset: what belongs to a run lies there."""
    earlier = (materialized_here(context, name, key) for name in ("predictions", "checkpoint"))
    for upstream in (here, *earlier):
        if upstream and upstream.tunix_run_id:
            return store.run(upstream.tunix_run_id)
    return current_run(store, key)
