"""Facts about a trained checkpoint."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from asset_checks.outside import run_outside
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.store import RunDirectory
from tunix_ml.training.metrics import METRICS_FILE, read_metrics

LOSS_WINDOW = 3
LOSS_TOLERANCE = 1e-5  # relative; the very same bits on one CPU, another order of sums on an accelerator
MERGE_TOLERANCE = 1e-2  # an adapter that bfloat16 rounds together with its base, not beside it


def identity_matches_the_run(subject: Subject) -> Outcome:
    """The run's id is the fingerprint of its recorded identity, and its inputs lie unchanged in the store."""
    run, record = _run(subject), _record(subject)
    identity = RunIdentity.read(run.path / "config.json")
    problems = []
    if identity.run_id() != run.run_id:
        problems.append(f"config.json identifies {identity.run_id()}, the run is {run.run_id}")
    inputs = {"dataset": identity.dataset_digest, "sft_export": identity.export_digest}
    inputs["tokenized_examples"] = identity.tokens_digest
    for table, digest in inputs.items():
        problems += subject.store.slot(table, identity.dataset_version).resolve(digest).verify()
    if CheckpointRecord.read(run.path / "checkpoint.json") != record:
        problems.append("the run's checkpoint.json differs from the published record")
    return all_hold(problems, subject="run", facts={"run_id": run.run_id})


def losses_are_finite(subject: Subject) -> Outcome:
    """Every logged loss and gradient norm is finite, and the steps grow up to the one recorded as the last.

    That is the last one planned, unless the run was ended by its time budget.
    """
    run, record = _run(subject), _record(subject)
    rows = read_metrics(run.path / METRICS_FILE)
    problems = [
        f"step {row.step}: loss {row.loss}, gradient norm {row.grad_norm}"
        for row in rows
        if not (math.isfinite(row.loss) and math.isfinite(row.grad_norm))
    ]
    steps = [row.step for row in rows]
    if steps != sorted(set(steps)):
        problems.append("steps repeat or go backwards")
    if not steps or steps[-1] != record.step:
        last = steps[-1] if steps else None
        problems.append(f"the last row is of step {last}, the record of step {record.step}")
    planned = record.num_train_steps
    if record.stopped_by == "steps" and record.step != planned:
        problems.append(f"the run ended after step {record.step}, {planned} were planned")
    facts: Facts = {"num_rows": len(rows), "step": record.step, "num_train_steps": planned}
    return all_hold(problems, subject="metrics", facts={**facts, "stopped_by": record.stopped_by})


def loss_fell(subject: Subject) -> Outcome:
    """The mean loss of the last logged steps is below the first."""
    losses = [row.loss for row in read_metrics(_run(subject).path / METRICS_FILE)]
    if not losses:
        return Outcome(False, "there is no row of metrics", {"num_rows": 0}, "WARN")
    last = losses[-LOSS_WINDOW:]
    final = math.fsum(last) / len(last)
    facts: Facts = {"first_loss": losses[0], "final_loss": final, "num_rows": len(losses)}
    return Outcome(final < losses[0], f"loss went from {losses[0]:.4f} to {final:.4f}", facts, "WARN")


def saved_model_reproduces_its_loss(subject: Subject) -> Outcome:
    """The last checkpoint and the exported model are undamaged and give the recorded loss again."""
    found = _reproduce(subject)
    losses = {name: found[name] for name in ("recorded", "restored", "merged", "exported")}
    comparisons = (
        ("restored", "recorded", LOSS_TOLERANCE),
        ("merged", "recorded", MERGE_TOLERANCE),
        ("exported", "merged", LOSS_TOLERANCE),
    )
    problems = [
        f"the {name} parameters give {losses[name]}, {expected} is {losses[expected]}"
        for name, expected, tolerance in comparisons
        if not math.isclose(losses[name], losses[expected], rel_tol=tolerance)
    ]
    return all_hold(problems, subject="validation loss", facts=losses)


def adapter_merges_into_the_model(subject: Subject) -> Outcome:
    """The adapter that lies beside a model, merged into the model it was trained on, is that model."""
    if not RunIdentity.read(_run(subject).path / "config.json").train.lora_rank:
        return Outcome(True, "the run trained every parameter, it has no adapter", {"num_params": 0})
    found = _compare_adapter(subject)
    if not found["is_readable"]:
        return Outcome(True, "the files of GPT-2 hold several adapters as one", {"num_params": 0})
    problems = [f"{name} is not what the adapter makes of the base" for name in found["differing"]]
    return all_hold(problems, subject="adapter", facts={"num_params": found["num_params"]}, severity="WARN")


def _reproduce(subject: Subject) -> dict[str, float]:
    """Evaluate the run again and return the losses."""
    device = _record(subject).device.split()[0]
    return _found_outside("tunix_ml.training.reproduce", subject, device=device)


def _compare_adapter(subject: Subject) -> dict[str, Any]:
    """Merge the run's adapter again and return what differs from the published model."""
    return _found_outside("tunix_ml.training.adapter", subject)


def _found_outside(module: str, subject: Subject, **job: str) -> dict[str, Any]:
    """Run a worker about the subject's run, and return what it wrote down."""
    with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
        result = Path(folder, "result.json")
        about = {"home": str(subject.store.home), "run_id": _record(subject).run_id}
        run_outside(module, {**about, **job, "result_path": str(result)})
        found: dict[str, Any] = json.loads(result.read_bytes())
    return found


def _record(subject: Subject) -> CheckpointRecord:
    return CheckpointRecord.read(subject.snapshot.file("checkpoint.json"))


def _run(subject: Subject) -> RunDirectory:
    return subject.store.run(_record(subject).run_id)


CHECKS = (
    Check("checkpoint", identity_matches_the_run),
    Check("checkpoint", losses_are_finite),
    Check("checkpoint", saved_model_reproduces_its_loss),
    Check("checkpoint", adapter_merges_into_the_model, blocking=False),
    Check("checkpoint", loss_fell, blocking=False),
)
