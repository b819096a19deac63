"""Evidence: what a promotion rests on, held against what was published, audited and asked again."""

from collections.abc import Mapping, Sequence

from tunix_ml.audits import audits
from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest, sha256_hex
from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.reproduction import PredictionReproduction
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import eval_slot, predictions_slot
from tunix_ml.registry.policy import Row, Scope, inputs_of
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, StoreError
from tunix_ml.store import RunDirectory, Store

_RECORD_FILE = "checkpoint.json"
_NUM_SHOWN = 60


def evidence_of(store: Store, row: Row) -> dict[str, Digest]:
    """Return the digests that a decision about a row's run rests on, by name.

    Raises:
        ContractError: the run's record breaks its contract.
        OSError: the run has none.
    """
    inputs = inputs_of(row)
    return {
        **{name: inputs[name] for name in ("model", "predictions") if name in inputs},
        "checkpoint": checkpoint_digest(store.run(row["run_id"])),
        "eval": row["eval_digest"],
        "evaluation_set": row["evaluation_set_digest"],
        "row": row["fingerprint"],
    }


def reproduction_of(store: Store, row: Row) -> dict[str, Digest]:
    """Return the digest of how a row's model did when it was asked again; nothing if it was not."""
    pointer = reproduction_slot(store.run(row["run_id"]), row["evaluation_set"]).pointer()
    return {"reproduction": pointer.content_digest} if pointer else {}


def checkpoint_digest(run: RunDirectory) -> Digest:
    """Return the content digest under which the asset `checkpoint` publishes a run's record.

    Raises:
        ContractError: the record breaks its contract.
        OSError: there is none.
    """
    record = CheckpointRecord.read(run.path / _RECORD_FILE)
    return record_digest({_RECORD_FILE: sha256_hex(record.to_json())})


def damage(store: Store, run_id: str, evidence: Mapping[str, Digest], *, scope: Scope) -> list[str]:
    """Return one sentence for each file of the evidence that is missing or changed."""
    run = store.run(run_id)
    slots = {
        "model": run.slot("model"),
        "predictions": predictions_slot(run, scope.evaluation_set),
        "eval": eval_slot(run, scope.evaluation_set, scope.scorer),
    }
    problems = [
        problem
        for name, slot in slots.items()
        if name in evidence
        for problem in _unlike(slot, evidence[name])
    ]
    return problems + (_unlike_record(run, evidence["checkpoint"]) if "checkpoint" in evidence else [])


def failed_checks(
    store: Store, row: Row, evidence: Mapping[str, Digest], *, required: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return one sentence for each check that failed on the evidence, or has never looked at it.

    Args:
        store: where it lies.
        row: of the run.
        evidence: digests of checkpoint, predictions and eval.
        required: names of checks by asset: checkpoint, predictions, eval_report.
    """
    run = store.run(row["run_id"])
    contents = {
        "checkpoint": (store.slot("checkpoint", row["dataset_version"]), evidence.get("checkpoint")),
        "predictions": (predictions_slot(run, row["evaluation_set"]), evidence.get("predictions")),
        "eval_report": (eval_slot(run, row["evaluation_set"], row["scorer"]), evidence.get("eval")),
    }
    problems = []
    for asset, checks in required.items():
        slot, digest = contents[asset]
        found = audits(slot, digest) if digest else {}
        for check in checks:
            if check not in found:
                problems.append(f"the check {check} of {asset} has not been run for {row['run_id']}")
            elif not found[check].passed:
                problems.append(f"the check {check} of {asset} failed: {found[check].description}")
    return problems


def not_reproduced(store: Store, row: Row) -> list[str]:
    """Return why a run's model is not known to write its predictions again; nothing if it is."""
    run_id, inputs = row["run_id"], inputs_of(row)
    try:
        found = read_reproduction(store.run(run_id), row["evaluation_set"])
    except NotPublished:
        return [f"the model of {run_id} has not been asked again yet"]
    except (StoreError, ContractError) as error:
        return [str(error)]
    stated = {"model": found.model_digest, "predictions": found.predictions_digest}
    others = [name for name, digest in stated.items() if digest != inputs.get(name)]
    if others:
        return [f"the model of {run_id} was asked again with other {' and '.join(others)}"]
    if not found.differing:
        return []
    first = found.differing[0]
    return [
        f"asked again, the model of {run_id} wrote {len(found.differing)} of {found.num_texts} texts anew,"
        f" for {first.item_id} {first.found!r:.{_NUM_SHOWN}} and not {first.published!r:.{_NUM_SHOWN}}"
    ]


def device_of(store: Store, row: Row) -> str:
    """Return the platform that a row's predictions were made on.

    Raises:
        StoreError: they are gone or damaged.
    """
    slot = predictions_slot(store.run(row["run_id"]), row["evaluation_set"])
    meta = slot.resolve(inputs_of(row).get("predictions")).file("predictions_meta.json")
    return PredictionsMeta.read(meta).device.split()[0]


def reproduction_slot(run: RunDirectory, evaluation_set: str) -> Slot:
    """Return where it is published how a run's model did when it was asked again."""
    return run.slot(f"reproduction/{evaluation_set}")


def read_reproduction(run: RunDirectory, evaluation_set: str) -> PredictionReproduction:
    """Read how a run's model did when it was asked again, verified.

    Raises:
        NotPublished: it was not.
        CorruptArtifact: the file is damaged.
    """
    snapshot = reproduction_slot(run, evaluation_set).resolve()
    return PredictionReproduction.read(snapshot.file("reproduction.json"))


def _unlike(slot: Slot, digest: Digest) -> list[str]:
    try:
        return slot.resolve(digest).verify()
    except StoreError as error:
        return [str(error)]


def _unlike_record(run: RunDirectory, digest: Digest) -> list[str]:
    path = run.path / _RECORD_FILE
    try:
        found = checkpoint_digest(run)
    except (ContractError, OSError) as error:
        return [str(error)]
    return [] if found == digest else [f"{path} gives the content {found}, the registry has {digest}"]
