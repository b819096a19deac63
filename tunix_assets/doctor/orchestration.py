"""Dagster's own records: runs whose process is gone, and slots of pools that a dead run still holds."""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg

from tunix_assets.doctor.finding import Finding, mendable
from tunix_ml.upkeep import is_alive

_ACTIVE = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_NO_INSTANCE = "there is no Dagster instance: set DAGSTER_HOME, or start `make dev` once"


class StuckRun(NamedTuple):
    """A run that Dagster believes to go on, while its process is gone."""

    run_id: str
    job: str
    pid: int

    def sentence(self) -> str:
        """Say what is wrong with it."""
        return f"run {self.run_id[:8]} of {self.job} goes on for Dagster, and its process {self.pid} is gone"


def examine_runs(instance: dg.DagsterInstance | None, *, fix: bool) -> Finding:
    """Look for runs whose process is gone, and report them as failed if they are to be mended."""
    if instance is None:
        return Finding("runs", "unknown", _NO_INSTANCE)
    if not is_local(instance):
        return Finding(
            "runs", "unknown", "the instance is shared: its daemon's run monitoring looks after them"
        )
    stuck = list(stuck_runs(instance))
    for run in stuck if fix else ():
        found = instance.get_run_by_id(run.run_id)
        if found is not None:
            instance.report_run_failed(
                found, f"its process {run.pid} was gone; reported by `tunix-rt doctor`"
            )
    told = [run.sentence() for run in stuck]
    done = "reported as failed" if fix else None
    return mendable("runs", told, well="every run that goes on has its process", done=done)


def examine_slots(instance: dg.DagsterInstance | None, *, fix: bool) -> Finding:
    """Look for slots of pools that runs hold or wait for although they have ended, and free them."""
    if instance is None:
        return Finding("slots", "unknown", _NO_INSTANCE)
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return Finding("slots", "unknown", "the instance knows no pools")
    leaked = sorted(run_id for run_id in storage.get_concurrency_run_ids() if _has_ended(instance, run_id))
    for run_id in leaked if fix else ():
        storage.free_concurrency_slots_for_run(run_id)
    told = [f"run {run_id[:8]} has ended and still holds a place in a pool" for run_id in leaked]
    return mendable("slots", told, well="no ended run holds one", done="freed" if fix else None)


def stuck_runs(instance: dg.DagsterInstance) -> Iterator[StuckRun]:
    """Yield the active runs of whose processes, by the numbers in their own log, none is alive here."""
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_ACTIVE)):
        processes = _processes_of(instance, run.run_id)
        if processes and not any(is_alive(pid, since=moment) for pid, moment in processes.items()):
            yield StuckRun(run.run_id, run.job_name, list(processes)[-1])


def is_local(instance: dg.DagsterInstance) -> bool:
    """Say whether the instance keeps its records in files of this machine, so that its runs are here too."""
    from dagster._core.storage.event_log import (
        ConsolidatedSqliteEventLogStorage,
        InMemoryEventLogStorage,
        SqliteEventLogStorage,
    )

    local = (ConsolidatedSqliteEventLogStorage, InMemoryEventLogStorage, SqliteEventLogStorage)
    return isinstance(instance.event_log_storage, local)


def _has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.status in _FINISHED


def _processes_of(instance: dg.DagsterInstance, run_id: str) -> dict[int, float]:
    """Return the processes that the run itself, not a step of it, ran in, with the time of their word."""
    found: dict[int, float] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event and not event.step_key else None
        if pid is not None:
            found.setdefault(int(str(pid.value)), entry.timestamp)
    return found
