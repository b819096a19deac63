"""The state of every run, from the files that it left and from what happened to the Dagster runs behind it.

    files                          last fact            state
    none yet                       queued               queued
    no checkpoint                  none ended it        training, or training_failed if its process is gone
    checkpoint, not all scored     none ended it        evaluating
    everything asked is scored     none stopped it      completed
    any                            failed               training_failed or evaluation_failed
    any                            cancelled, timed out the same

A checkpoint of which nothing was asked is completed, and so is one that was to end before its last step: by
its time budget, or by a sweep that gave the trial up. Both say so.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.run_state import ENDED, STOPPED, RunState, StateName, StatusFact
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.durable import is_leased
from tunix_ml.evaluation.report import eval_slot
from tunix_ml.snapshot import StoreError
from tunix_ml.status_facts import status_facts
from tunix_ml.store import RunDirectory, Store

TRAINS, EVALUATES = frozenset({"checkpoint"}), frozenset({"predictions", "eval_report"})
_EARLY = {"time_budget": "at the end of its time", "pause": "where it was to pause"}


def run_states(store: Store) -> tuple[RunState, ...]:
    """Return the state of every run trained here and of every Dagster run that waits to train, by run id."""
    facts = _by_orchestration(status_facts(store))
    of_run: dict[str, list[StatusFact]] = defaultdict(list)
    for found in facts.values():
        if run_id := next((fact.run_id for fact in reversed(found) if fact.run_id), None):
            of_run[run_id] = max(of_run[run_id], found, key=lambda facts: facts[-1].at if facts else "")
    states = [_of_run(store.run(run_id), of_run[run_id]) for run_id in _trained_here(store)]
    waiting = [state for found in facts.values() if (state := _without_files(found))]
    return tuple(sorted((*filter(None, states), *waiting), key=lambda state: state.run_id))


def open_failures(store: Store) -> tuple[StatusFact, ...]:
    """Return the failures that no later success of the same asset and dataset version has made good.

    An asset that was not made has to be made; a check that failed may also pass afterwards without that.
    """
    found: list[StatusFact] = []
    for fact in status_facts(store):
        if fact.status in ENDED:
            found = [failure for failure in found if not _settles(fact, failure)]
        if fact.status in STOPPED:
            found.append(fact)
    return tuple(found)


def _settles(fact: StatusFact, failure: StatusFact) -> bool:
    """Say whether what failed was made or checked later, or failed once more."""
    wanted = {failure.failed_asset} if failure.failed_asset else set(failure.assets)
    reached = set(fact.assets) if fact.status == "succeeded" else {fact.failed_asset}
    if failure.failed_check and fact.status == "succeeded":
        reached |= set(fact.checked)
    return failure.dataset_version == fact.dataset_version and bool(wanted & reached)


class _Left(NamedTuple):
    """What a run has left: its checkpoint, how much it was asked, what lacks a score, when it last wrote."""

    record: CheckpointRecord | None
    num_asked: int
    unscored: tuple[str, ...]
    written_at: str


class _Found(NamedTuple):
    state: StateName
    reason: str | None
    since: str | None


def _by_orchestration(facts: Iterable[StatusFact]) -> dict[str, list[StatusFact]]:
    found: dict[str, list[StatusFact]] = defaultdict(list)
    for fact in facts:
        found[fact.orchestration_run_id].append(fact)
    return found


def _trained_here(store: Store) -> list[str]:
    return [run_id for run_id in store.run_ids() if (store.run(run_id).path / "config.json").exists()]


def _of_run(run: RunDirectory, facts: Sequence[StatusFact]) -> RunState | None:
    """Return the state of a run by the facts of its last Dagster run, None if it cannot be read."""
    try:
        identity = RunIdentity.read(run.path / "config.json")
        left = _left(run)
    except (ContractError, StoreError, OSError):
        return None
    last = facts[-1] if facts else None
    found = _stopped(left, last) or _going_on(run, left, facts)
    return RunState(
        run_id=run.run_id,
        dataset_version=identity.dataset_version,
        **found._asdict(),
        orchestration_run_id=last.orchestration_run_id if last else None,
    )


def _stopped(left: _Left, last: StatusFact | None) -> _Found | None:
    """Return the state that the end of the last Dagster run leaves, None if it does not decide."""
    if last is None or last.status not in STOPPED:
        return None
    is_done = left.record is not None and left.num_asked and not left.unscored
    if is_done and last.failed_asset not in TRAINS | EVALUATES:
        return None  # what failed came after it
    if last.status == "cancelled":
        return _Found("cancelled", last.reason, last.at)
    if last.status == "timed_out":
        return _Found("timed_out", last.reason, last.at)
    is_training = last.failed_asset in TRAINS or left.record is None
    return _Found("training_failed" if is_training else "evaluation_failed", last.reason, last.at)


def _going_on(run: RunDirectory, left: _Left, facts: Sequence[StatusFact]) -> _Found:
    begun = next((fact for fact in facts if fact.status == "started"), None)
    if any(fact.status in ENDED for fact in facts):
        begun = None
    is_at_work = begun is not None or is_leased(run.path / ".lease")
    since = begun.at if begun else left.written_at
    if left.record is None:
        if is_at_work:
            return _Found("training", None, since)
        return _Found("training_failed", "its process is gone: the same settings resume it", since)
    early = _early(left.record)
    if early and is_leased(run.path / ".lease"):
        return _Found("training", f"it was {early}, and goes on", since)
    return _trained(left, begun, early=early, since=since)


def _trained(left: _Left, begun: StatusFact | None, *, early: str | None, since: str) -> _Found:
    """Return the state of a run whose training is over; `early` is why it was before its last step."""
    if left.unscored:
        return _Found("evaluating", f"no score yet of {', '.join(left.unscored)}", since)
    if begun and not left.num_asked and EVALUATES & set(begun.assets):
        return _Found("evaluating", None, since)
    told = early if left.num_asked else f"{early or 'trained'}, and asked nothing"
    return _Found("completed", told, left.written_at)


def _early(record: CheckpointRecord) -> str | None:
    """Return where and why the training ended before its last step; None if it did not."""
    if record.stopped_by == "steps":
        return None
    return f"stopped after step {record.step:,} of {record.num_train_steps:,}, {_EARLY[record.stopped_by]}"


def _without_files(facts: Sequence[StatusFact]) -> RunState | None:
    """Return the state of a Dagster run that is to train and of whose run there is nothing yet."""
    last = facts[-1]
    if not TRAINS & set(last.assets) or any(fact.run_id for fact in facts) or last.dataset_version is None:
        return None
    states: dict[str, StateName] = {
        "queued": "queued",
        "started": "queued",
        "cancelled": "cancelled",
        "timed_out": "timed_out",
    }
    if last.status not in states:
        return None  # what failed before the training is no run; `open_failures` has it
    return RunState(
        run_id=last.orchestration_run_id,
        dataset_version=last.dataset_version,
        state=states[last.status],
        reason=last.reason or ("it makes what the training needs" if last.status == "started" else None),
        since=last.at,
        orchestration_run_id=last.orchestration_run_id,
    )


def _left(run: RunDirectory) -> _Left:
    path = run.path / "checkpoint.json"
    record = CheckpointRecord.read(path) if path.exists() else None
    asked = run.slots("predictions")
    unscored = tuple(slot.path.name for slot in asked if eval_slot(run, slot.path.name).pointer() is None)
    written = [run.path / "config.json", path, *(run.path.glob("eval/*/pointer.json"))]
    return _Left(record, len(asked), unscored, _latest(written))


def _latest(paths: Iterable[Path]) -> str:
    times = [path.stat().st_mtime for path in paths if path.exists()]
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds")
