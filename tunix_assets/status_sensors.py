"""Sensors of runs: what happens to one is kept as a fact, and a failure is told."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from tunix_assets.failure_message import (
    PARTITION_TAG,
    RETRY_TAG,
    Failure,
    failure_of,
    is_timed_out,
    planned_checks,
)
from tunix_assets.inputs import RUN_ID_TAG
from tunix_assets.jobs import results
from tunix_assets.resources import StoreResource
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.run_state import ENDED, STOPPED, StatusFact, StatusName
from tunix_ml.registry.run_states import open_failures
from tunix_ml.status_facts import record_status

_INTERVAL_S = 10
_STATUSES: dict[StatusName, dg.DagsterRunStatus] = {
    "queued": dg.DagsterRunStatus.QUEUED,
    "started": dg.DagsterRunStatus.STARTED,
    "succeeded": dg.DagsterRunStatus.SUCCESS,
    "failed": dg.DagsterRunStatus.FAILURE,
    "cancelled": dg.DagsterRunStatus.CANCELED,
}
_KEEPS = "Keeps that a run has {status}, for the states of runs on the results pages."
_TELLS = (
    "Tells of a failed run: asset, partition, cause and next step. In the log of this sensor, on the results"
    " pages, and to the webhook of $TUNIX_WEBHOOK_URL where that is set."
)


def _sensor(status: StatusName) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=_STATUSES[status],
        name=f"run_{status}",
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        request_job=results if status in ENDED else None,
        description=_TELLS if status == "failed" else _KEEPS.format(status=status),
    )
    def sensor(context: dg.RunStatusSensorContext, store: StoreResource) -> dg.RunRequest | dg.SkipReason:
        return keep_status(context, store, status=status)

    return sensor


def keep_status(
    context: dg.RunStatusSensorContext, store: StoreResource, *, status: StatusName
) -> dg.RunRequest | dg.SkipReason:
    """Keep what happened to a run; of one that stopped tell why, and ask for pages that say so."""
    run, message = context.dagster_run, context.dagster_event.message
    if status in STOPPED and is_timed_out(context.instance, run, message):
        status = "timed_out"
    failure = failure_of(context.instance, run, message) if status in STOPPED else None
    shown = open_failures(store.store())
    is_new = record_status(store.store(), _fact(context.instance, run, status, failure))
    if is_new and failure is None and open_failures(store.store()) != shown and run.job_name != results.name:
        return dg.RunRequest(run_key=f"{run.run_id}:{status}")  # the pages tell of something made good since
    if not is_new or failure is None:
        return dg.SkipReason(f"{run.run_id} has {status}")
    context.log.error(failure.sentence(status))
    if status != "cancelled":
        _send(context, run, failure)
    if run.tags.get(RETRY_TAG) == "true":
        return dg.SkipReason(f"{run.run_id} has {status}, and is started again")
    if run.job_name == results.name:
        return dg.SkipReason(f"{run.run_id} has {status}, and was to make the pages itself")
    return dg.RunRequest(run_key=f"{run.run_id}:{status}")


def _fact(
    instance: dg.DagsterInstance, run: dg.DagsterRun, status: StatusName, failure: Failure | None
) -> StatusFact:
    return StatusFact(
        orchestration_run_id=run.run_id,
        status=status,
        at=_time_of(instance, run, status),
        assets=tuple(sorted(_planned(instance, run))),
        checked=tuple(sorted(_checked(instance, run))),
        dataset_version=run.tags.get(PARTITION_TAG),
        run_id=run.tags.get(RUN_ID_TAG),
        failed_asset=failure.asset if failure else None,
        failed_check=failure.check if failure else None,
        reason=failure.cause if failure else None,
        next_step=failure.next_step if failure else None,
    )


def _time_of(instance: dg.DagsterInstance, run: dg.DagsterRun, status: StatusName) -> str:
    record = instance.get_run_record_by_id(run.run_id)
    seconds = None
    if record:
        created = record.create_timestamp.timestamp()
        seconds = {"queued": created, "started": record.start_time}.get(status, record.end_time) or created
    moment = datetime.fromtimestamp(seconds, UTC) if seconds else datetime.now(UTC)
    return moment.isoformat(timespec="microseconds")


def _planned(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED):
        if entry.dagster_event and entry.dagster_event.asset_key:
            yield entry.dagster_event.asset_key.to_user_string()


def _checked(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    return {check.asset_key.to_user_string() for check in planned_checks(instance, run.run_id).values()}


def _send(context: dg.RunStatusSensorContext, run: dg.DagsterRun, failure: Failure) -> None:
    """Send the message to the webhook, if there is one; that nobody takes it is logged and stops nothing."""
    from tunix_ml.webhook import send_message

    try:
        send_message({"text": failure.sentence(), **failure._asdict(), "dagster_run_id": run.run_id})
    except TunixError as error:
        context.log.warning(str(error))


STATUS_SENSORS = tuple(_sensor(status) for status in _STATUSES)
