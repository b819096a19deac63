"""The settings of a run: what was configured, trained here or made elsewhere, as plain values."""

from typing import Any

from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.system import SystemIdentity
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.store import RunDirectory

CONFIG_FILE = "config.json"
SYSTEM_FILE = "system.json"


def run_settings(run: RunDirectory, evaluation_set: str) -> dict[str, Any]:
    """Return what identifies a run, and how its texts for an evaluation set were written.

    Raises:
        ContractError: a file of the run breaks its contract.
        NotPublished: there are no predictions for the set.
        OSError: the run has no identity.
    """
    if not (run.path / CONFIG_FILE).exists():
        return SystemIdentity.read(run.path / SYSTEM_FILE).model_dump(mode="json", exclude_none=True)
    identity = RunIdentity.read(run.path / CONFIG_FILE).model_dump(mode="json")
    snapshot = predictions_slot(run, evaluation_set).resolve()
    meta = PredictionsMeta.read(snapshot.file("predictions_meta.json"))
    return {**identity, "decoding": meta.decoding.model_dump(mode="json")}
