"""Whether the adapter that lies beside a run's model is the one that was merged into it.

python -m tunix_ml.training.adapter JOB.json
"""

from pathlib import Path

import jax
import jax.numpy as jnp
from pydantic import Field

from tunix_ml.contracts.base import Artifact, ContractError
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.durable import write_atomically
from tunix_ml.modeling.decoder import Params
from tunix_ml.modeling.huggingface import LoadedModel, load_model
from tunix_ml.modeling.lora import load_adapter, lora_of, merge
from tunix_ml.store import Store
from tunix_ml.training.devices import configure_process
from tunix_ml.training.loop import RECORD_FILE
from tunix_ml.training.publish import ADAPTER_FOLDER
from tunix_ml.training.start import find_base
from tunix_ml.worker import Report, run_worker

_TOLERANCE = 1e-5  # of a matrix's largest weight: an accelerator adds the products in another order


class AdapterJob(Artifact):
    """What the process is asked to do."""

    home: Path
    run_id: str
    result_path: Path = Field(description="where to write the AdapterComparison")


class AdapterComparison(Artifact):
    """A published model against its base with the published adapter merged into it."""

    is_readable: bool = Field(description="False for GPT-2, whose files hold several adapters as one")
    num_params: int = Field(0, description="parameters compared, by name")
    differing: list[str] = Field([], description="names of those that are not the same")


def compare_adapter(store: Store, run_id: str) -> AdapterComparison:
    """Merge the published adapter of a run into its base model, and compare the published model with it.

    Raises:
        ContractError: the adapter does not fit the base, or the base is not the one the run began with.
        NotPublished: the model has no adapter.
        CorruptArtifact: files of the model have changed.
    """
    run = store.run(run_id)
    identity = RunIdentity.read(run.path / "config.json")
    tokens = store.slot("tokenized_examples", identity.dataset_version).resolve(identity.tokens_digest)
    model = run.slot("model").resolve(CheckpointRecord.read(run.path / RECORD_FILE).model_digest)
    base_folder = find_base(identity, tokens)
    if base_folder is None:
        raise ContractError(f"{run_id} has no base model that an adapter could be merged into")
    base = load_model(base_folder)
    if base.network.config.family.positions == "learned":
        return AdapterComparison(is_readable=False)
    for name in model.record.files:
        model.file(name)
    merged = _merge(base, model.path / ADAPTER_FOLDER)
    published = load_model(model.path).params
    names = sorted(merged.keys() | published.keys())
    differing = [name for name in names if not _is_same(merged.get(name), published.get(name))]
    return AdapterComparison(is_readable=True, num_params=len(names), differing=differing)


def _merge(base: LoadedModel, folder: Path) -> Params:
    adapter = load_adapter(folder, base=base.network)
    params = {**adapter.network.stack(base.params), **adapter.params}
    return adapter.network.unstack(merge(params, lora_of(adapter.network)))


def _is_same(merged: jax.Array | None, published: jax.Array | None) -> bool:
    if merged is None or published is None or merged.shape != published.shape:
        return False
    return bool(jnp.abs(merged - published).max() <= _TOLERANCE * jnp.abs(merged).max())


def main(data: bytes, report: Report) -> None:
    """Compare the adapter of a job's run and write down what was found."""
    job = AdapterJob.parse(data, subject="the job")
    configure_process(home=job.home, device="cpu")
    found = compare_adapter(Store(job.home), job.run_id)
    write_atomically(job.result_path, found.to_json())
    report(f"{job.run_id}: {len(found.differing)} of {found.num_params} parameters differ")


if __name__ == "__main__":
    run_worker(main)
