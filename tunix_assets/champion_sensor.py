"""The sensor that tells of a new champion, whoever promoted it."""

import json

import dagster as dg

from tunix_assets.resources import StoreResource
from tunix_ml.contracts.base import TunixError
from tunix_ml.store import Store

_ASSET = dg.AssetKey("registered_model")
_INTERVAL_S = 60


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(_ASSET),
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of every registered model that has another champion than before: an observation on the"
    " page of `registered_model`, and a message to the webhook of $TUNIX_WEBHOOK_URL where that is set.",
)
def champion_changed(
    context: dg.SensorEvaluationContext, store: StoreResource
) -> dg.SensorResult | dg.SkipReason:
    """Tell of every registered model that has another champion than before.

    Each is an observation on the page of `registered_model`, with the run that took office, and a message to
    the webhook of $TUNIX_WEBHOOK_URL where that is set. Nothing is run. A damaged log is named and holds up
    no other model.
    """
    before: dict[str, str] | None = json.loads(context.cursor) if context.cursor else None
    champions = _champions(context, store.store())
    context.update_cursor(json.dumps({**(before or {}), **champions}, sort_keys=True))
    if before is None:
        return dg.SkipReason(f"{len(champions)} champions are in office")
    changed = {name: run_id for name, run_id in champions.items() if before.get(name) != run_id}
    if not changed:
        return dg.SkipReason("every champion is still in office")
    for name, run_id in changed.items():
        _tell(context, name, run_id)
    return dg.SensorResult(asset_events=[_observation(name, run_id) for name, run_id in changed.items()])


def _champions(context: dg.SensorEvaluationContext, store: Store) -> dict[str, str]:
    from tunix_ml.registry.events import registered_names
    from tunix_ml.registry.models import read_registered

    found = {}
    for name in registered_names(store):
        try:
            champion = read_registered(store, name).champion
        except TunixError as error:
            context.log.error(f"{name}: {error}")
            continue
        found[name] = champion.run_id if champion else ""
    return found


def _observation(name: str, run_id: str) -> dg.AssetObservation:
    return dg.AssetObservation(asset_key=_ASSET, metadata={"model": name, "champion": run_id or "none"})


def _tell(context: dg.SensorEvaluationContext, name: str, run_id: str) -> None:
    from tunix_ml.webhook import send_message

    text = f"{name} has a new champion: {run_id or 'none'}"
    context.log.info(text)
    try:
        send_message({"text": text, "model": name, "champion": run_id or None})
    except TunixError as error:
        context.log.warning(str(error))
