"""The asset `checkpoint`."""

from typing import TypeVar

import dagster as dg
from pydantic import BaseModel

from tunix_assets.automation import TRAINS_WHERE_ASKED
from tunix_assets.inputs import audited_input, clear_failures, tell_run
from tunix_assets.metadata import curve, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.training import CheckpointRecord, ExecutionConfig, RunIdentity, TrainConfig
from tunix_ml.provenance import source_digest
from tunix_ml.store import Store
from tunix_ml.training.identify import ENGINE_PARTS, identify
from tunix_ml.training.metrics import METRICS_FILE, read_metrics

Part = TypeVar("Part", bound=BaseModel)


class CheckpointConfig(TrainConfig, ExecutionConfig, dg.Config):
    """The run configuration of `checkpoint`."""


@dg.asset(
    deps=["tokenized_examples"],
    group_name="training",
    partitions_def=DATASET_VERSIONS,
    code_version=source_digest(*ENGINE_PARTS),
    kinds={"jax"},
    pool="accelerator",
    retry_policy=RETRIES,
    automation_condition=TRAINS_WHERE_ASKED,
)
def checkpoint(
    context: dg.AssetExecutionContext,
    config: CheckpointConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """A model trained on one dataset version with the recipe of the configuration.

    Data, tokens, model, optimizer, seed and code identify the run. The same identity again resumes a run that
    was cut short, from its last good checkpoint, or adopts a finished one; any other setting is another run.
    With `base_model` it fine-tunes a Hugging Face model, in whole or, with `lora_rank`, by adapters.
    """
    with clear_failures():
        tokens = audited_input(context, store.store(), "tokenized_examples").snapshot
        identity = identify(tokens, _part(config, TrainConfig))
        execution = _part(config, ExecutionConfig)
        context.log.info(f"run {identity.run_id()}")
        tell_run(context, store.store(), identity.run_id())
        job = {
            "home": str(store.store().home),
            "identity": identity.model_dump(mode="json"),
            "execution": execution.model_dump(mode="json"),
        }
        # Scoring needs the whole of inference and evaluation, which training itself does without.
        is_scored = execution.score_every_steps is not None
        worker.run(context, "tunix_ml.tuning" if is_scored else "tunix_ml.training", job)
        return _publish(store.store(), identity)


def _part(config: CheckpointConfig, part: type[Part]) -> Part:
    return part.model_validate({name: getattr(config, name) for name in part.model_fields})


def _publish(store: Store, identity: RunIdentity) -> dg.MaterializeResult[None]:
    run = store.run(identity.run_id())
    record = CheckpointRecord.read(run.path / "checkpoint.json")
    parents = {"tokenized_examples": identity.tokens_digest, "model": record.model_digest}
    slot = store.slot("checkpoint", identity.dataset_version)
    with slot.publish(parents=parents, code_version=identity.code_version) as draft:
        (draft.path / "checkpoint.json").write_bytes(record.to_json())
    metrics = read_metrics(run.path / METRICS_FILE)
    scored = [row for row in metrics if row.task_score is not None]
    scores = [(row.step, f"{row.task_score:.3f}") for row in scored]
    settings = [(name, value) for name, value in identity.train.model_dump().items()]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(record.model_digest),
        metadata={
            "run_id": run.run_id,
            "steps": f"{record.step} of {record.num_train_steps}",
            "loss_curve": curve([row.loss for row in metrics], title="training loss, nats per token"),
            "final_loss": record.final_loss,
            "validation_loss": record.validation_loss,
            **({"task_scores": inline_table(["step", "score"], scores)} if scores else {}),
            "parameters": record.num_params,
            "train_time_s": round(record.train_time_s, 1),
            "device": record.device,
            "settings": inline_table(["setting", "value"], settings),
            "model_digest": record.model_digest,
            "content_digest": draft.snapshot.digest,
            "path": dg.MetadataValue.path(run.path),
        },
    )
