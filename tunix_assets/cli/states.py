"""The states of runs as plain values, each with the dataset version that the run is on."""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunix_ml.store import RunDirectory, Store

_FIELDS = ("run_id", "dataset_version", "state", "reason", "since", "orchestration_run_id")
_DERIVED_BY = "tunix_ml.registry.run_states"


def states_of(store: "Store") -> dict[str, dict[str, Any]]:
    """Return the state of every run by its id; what is not known is None."""
    if importlib.util.find_spec(_DERIVED_BY):
        found = importlib.import_module(_DERIVED_BY).run_states(store)
        return {state.run_id: {name: getattr(state, name) for name in _FIELDS} for state in found}
    return {run_id: _from_files(store.run(run_id)) for run_id in store.run_ids()}


def _from_files(run: "RunDirectory") -> dict[str, Any]:
    """Return what a run's own files say: how far it has come, not whether it goes on."""
    evaluated = [slot.resolve().record.created_at for slot in run.slots("eval")]
    is_trained = (run.path / "checkpoint.json").is_file() or (run.path / "system.json").is_file()
    state = "completed" if evaluated else "evaluating" if is_trained else "training"
    return {
        **dict.fromkeys(_FIELDS),
        "run_id": run.run_id,
        "dataset_version": _dataset_version(run),
        "state": state,
        "since": max(evaluated, default=None),
    }


def _dataset_version(run: "RunDirectory") -> str | None:
    from tunix_ml.contracts.training import RunIdentity

    path = run.path / "config.json"
    return RunIdentity.read(path).dataset_version if path.is_file() else None
