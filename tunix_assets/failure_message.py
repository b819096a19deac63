"""What a failed run is about: asset, partition, cause and next step, read from its events."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import dagster as dg

PARTITION_TAG, RETRY_TAG = "dagster/partition", "dagster/will_retry"
_RETRIED = "nothing: it is started again by itself, from where it failed"
_MAX_CAUSE_CHARS = 2_000
_TIMED_OUT = "maximum runtime"
_DIED = "Run execution process"
_AGAIN = {
    "dataset": "mend the recipe or its source file; it is built again by itself while Dagster runs",
    "checkpoint": "materialize checkpoint again: the same settings resume the run from its last checkpoint",
    "predictions": "materialize predictions again: the trained model is kept",
}


class Failure(NamedTuple):
    """What failed, why, and what to do about it; a check if it is that which failed."""

    asset: str | None
    check: str | None
    partition: str | None
    cause: str
    next_step: str

    def sentence(self, verb: str = "failed") -> str:
        """Return all of it as text for a person."""
        of = f" of {self.partition}" if self.partition else ""
        return f"{self.asset or 'the run'}{of} {verb.replace('_', ' ')}: {self.cause}\nnext: {self.next_step}"


class _Found(NamedTuple):
    asset: str | None
    check: str | None
    cause: str


def failure_of(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str | None) -> Failure:
    """Return what a failed run is about; `message` is that of its last event."""
    checks = [found for found in _evaluations(instance, run.run_id) if _blocks(found)]
    found = _of_checks(checks) if checks else _of_steps(instance, run.run_id)
    if found is None:
        found = _Found(None, None, _of_process(instance, run.run_id) or message or "its process is gone")
    cause = found.cause if len(found.cause) <= _MAX_CAUSE_CHARS else f"{found.cause[:_MAX_CAUSE_CHARS]} …"
    is_retried = run.tags.get(RETRY_TAG) == "true"
    next_step = _RETRIED if is_retried else _next_step(found, has_blocked=bool(checks))
    return Failure(found.asset, found.check, run.tags.get(PARTITION_TAG), cause, next_step)


def planned_checks(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.AssetCheckKey]:
    """Return the checks that a run was to do, by the step that does each."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    events = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kind)]
    return {
        event.step_key: event.asset_check_planned_data.asset_check_key
        for event in events
        if event and event.step_key
    }


def is_timed_out(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str | None) -> bool:
    """Say whether the daemon ended a run because it took longer than its tag allows."""
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_CANCELING)
    told = [entry.dagster_event.message for entry in events if entry.dagster_event]
    return any(_TIMED_OUT in (text or "") for text in (message, *told))


def _evaluations(instance: dg.DagsterInstance, run_id: str) -> Iterable[dg.AssetCheckEvaluation]:
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    for entry in instance.all_logs(run_id, of_type=kind):
        if entry.dagster_event:
            yield entry.dagster_event.asset_check_evaluation_data


def _blocks(check: dg.AssetCheckEvaluation) -> bool:
    return bool(check.blocking) and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR


def _of_checks(checks: list[dg.AssetCheckEvaluation]) -> _Found:
    told = "; ".join(f"check {check.check_name}: {check.description}" for check in checks)
    return _Found(checks[0].asset_key.to_user_string(), checks[0].check_name, told)


def _of_steps(instance: dg.DagsterInstance, run_id: str) -> _Found | None:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        data = event.step_failure_data
        told = data.user_failure_data.description if data.user_failure_data else None
        check = planned_checks(instance, run_id).get(event.step_key)
        asset = check.asset_key.to_user_string() if check else event.step_key
        return _Found(asset, check.name if check else None, told or _innermost(data.error))
    return None


def _of_process(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """Return what the code server says of a process that ended without a word."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    told = [entry.dagster_event.message or "" for entry in entries if entry.dagster_event]
    return next((text for text in reversed(told) if _DIED in text), None)


def _innermost(error: Any) -> str:
    """Return the error that the others were raised from."""
    while error and error.cause:
        error = error.cause
    return str(error.message).strip() if error else "for an unknown reason"


def _next_step(found: _Found, *, has_blocked: bool) -> str:
    asset = found.asset
    if has_blocked:
        return f"see the checks of {asset}; what hangs on it stays as it was until they pass"
    if found.check:
        return f"see check {found.check} of {asset}"
    if asset in _AGAIN:
        return _AGAIN[asset]
    return (
        f"mend that and materialize {asset} again" if asset else "start the run again: finished work is kept"
    )
