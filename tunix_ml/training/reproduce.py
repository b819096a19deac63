"""Compute a run's validation loss again, from its last checkpoint and from its exported model.

python -m tunix_ml.training.reproduce JOB.json
"""

import functools
from pathlib import Path

import jax
from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.training import CheckpointRecord, Device, ExecutionConfig, RunIdentity
from tunix_ml.durable import write_atomically
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.modeling.lora import merge
from tunix_ml.snapshot import CorruptArtifact
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.devices import configure_process
from tunix_ml.training.loop import RECORD_FILE
from tunix_ml.training.placement import Placement, make_placement
from tunix_ml.training.publish import without_adapters
from tunix_ml.training.start import make_plan, start_at
from tunix_ml.training.step import loss_sum
from tunix_ml.training.validation import validation_loss
from tunix_ml.worker import Report, run_worker


class ReproduceJob(Artifact):
    """What the process is asked to do."""

    home: Path
    run_id: str
    device: Device = "auto"
    result_path: Path = Field(description="where to write the Reproduction")


class Reproduction(Artifact):
    """Validation losses of one run, nats per supervised token."""

    recorded: float = Field(description="as the training said")
    restored: float = Field(description="of the parameters in the last checkpoint")
    merged: float = Field(description="of the same with the adapters merged, where there are any")
    exported: float = Field(description="of the parameters in the exported model folder")


def reproduce(*, store: Store, run_id: str, device: Device) -> Reproduction:
    """Evaluate a run's parameters on its validation rows again, on one device.

    Raises:
        CorruptArtifact: the last checkpoint, the exported model or the rows are missing or changed.
        ContractError: the base model is not the one the run began with.
    """
    run = store.run(run_id)
    identity = RunIdentity.read(run.path / "config.json")
    record = CheckpointRecord.read(run.path / RECORD_FILE)
    tokens = store.slot("tokenized_examples", identity.dataset_version).resolve(identity.tokens_digest)
    placement = make_placement(ExecutionConfig(device=device))
    plan = make_plan(identity, tokens, placement=placement)
    checkpoints = Checkpoints(run.path / "checkpoints", keep=1, report=print)
    if problem := checkpoints.problem(record.step):
        raise CorruptArtifact(f"{checkpoints.folder}: {problem}")
    start = start_at(record.step, plan=plan, identity=identity, placement=placement, checkpoints=checkpoints)

    def loss_of(network: Network, params: Params) -> float:
        evaluate = jax.jit(functools.partial(loss_sum, network))
        return validation_loss(
            lambda batch: evaluate(params, placement.put_batch(batch)),
            plan.held_out,
            batch_size=identity.train.batch_size,
        )

    network, restored = plan.network, loss_of(plan.network, start.params)
    merged = restored
    if network.lora:
        merged = loss_of(without_adapters(network), merge(start.params, network.lora))
    return Reproduction(
        recorded=record.validation_loss,
        restored=restored,
        merged=merged,
        exported=loss_of(without_adapters(network), _exported_params(run, record, placement)),
    )


def _exported_params(run: RunDirectory, record: CheckpointRecord, placement: Placement) -> Params:
    model = run.slot("model").resolve(record.model_digest)
    problems = model.verify()
    if problems:
        raise CorruptArtifact(problems[0])
    params: Params = jax.device_put(load_model(model.path).params, placement.replicated)
    return params


def main(data: bytes, report: Report) -> None:
    """Reproduce the losses of a job's run and write them down."""
    job = ReproduceJob.parse(data, subject="the job")
    configure_process(home=job.home, device=job.device)
    found = reproduce(store=Store(job.home), run_id=job.run_id, device=job.device)
    write_atomically(job.result_path, found.to_json())
    report(f"{job.run_id}: {found.model_dump()}")


if __name__ == "__main__":
    run_worker(main)
