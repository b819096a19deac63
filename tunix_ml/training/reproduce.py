"""Compute a finished run's validation loss again, from its last checkpoint and from its exported model.

python -m tunix_ml.training.reproduce JOB.json
"""

import functools
from pathlib import Path

import jax
from pydantic import Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import CheckpointRecord, Device, RunIdentity
from tunix_ml.durable import write_atomically
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.store import CorruptArtifact, Store
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.data import read_rows
from tunix_ml.training.devices import configure_process, find_device
from tunix_ml.training.loop import RECORD_FILE, model_config, validation_loss
from tunix_ml.training.step import abstract_state, loss_sum
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
    exported: float = Field(description="of the parameters in the exported model folder")


def reproduce(*, store: Store, run_id: str, device: Device) -> Reproduction:
    """Evaluate a finished run's parameters on its validation rows again.

    Raises:
        CorruptArtifact: the last checkpoint, the exported model or the rows are missing or changed.
    """
    run = store.run(run_id)
    identity = RunIdentity.read(run.path / "config.json")
    record = CheckpointRecord.read(run.path / RECORD_FILE)
    tokens = store.slot("tokenized_examples", identity.dataset_version).resolve(identity.tokens_digest)
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    rows = read_rows(tokens.file("tokens.parquet"), "validation", seq_len=manifest.seq_len)
    network = Network(model_config(identity.train, manifest))
    evaluate = jax.jit(functools.partial(loss_sum, network))
    found = find_device(device)

    def loss_of(params: Params) -> float:
        return validation_loss(evaluate, jax.device_put(params, found), rows, identity.train)

    return Reproduction(
        recorded=record.validation_loss,
        restored=loss_of(_restored_params(run.path / "checkpoints", record.step, identity, network, found)),
        exported=loss_of(_exported_params(store, record)),
    )


def _restored_params(
    folder: Path, step: int, identity: RunIdentity, network: Network, device: jax.Device
) -> Params:
    checkpoints = Checkpoints(folder, keep=1, report=print)
    problem = checkpoints.problem(step)
    if problem:
        raise CorruptArtifact(f"{folder}: {problem}")
    like = abstract_state(network, identity.train, device=device)
    return checkpoints.restore(step, like=like).state.params


def _exported_params(store: Store, record: CheckpointRecord) -> Params:
    model = store.run(record.run_id).slot("model").resolve(record.model_digest)
    problems = model.verify()
    if problems:
        raise CorruptArtifact(problems[0])
    return load_model(model.path).params


def main(data: bytes, report: Report) -> None:
    """Reproduce the losses of a job's run and write them down."""
    job = ReproduceJob.parse(data, subject="the job")
    configure_process(home=job.home, device=job.device)
    found = reproduce(store=Store(job.home), run_id=job.run_id, device=job.device)
    write_atomically(job.result_path, found.to_json())
    report(f"{job.run_id}: {found.model_dump()}")


if __name__ == "__main__":
    run_worker(main)
