"""The asset `predictions`."""

import dagster as dg

from asset_checks.subject import asset_slot
from tunix_assets.inputs import audited_input, clear_failures
from tunix_assets.metadata import column_schema, samples
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, PredictConfig
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import read_predictions
from tunix_ml.provenance import source_digest


class PredictionsConfig(PredictConfig, dg.Config):
    """The run configuration of `predictions`."""


@dg.asset(
    deps=["checkpoint"],
    group_name="evaluation",
    partitions_def=DATASET_VERSIONS,
    code_version=source_digest("contracts", "exports", "modeling", "inference"),
    kinds={"jax"},
    pool="accelerator",
    metadata=column_schema(PREDICTIONS_SCHEMA),
)
def predictions(
    context: dg.AssetExecutionContext,
    config: PredictionsConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """What the trained model writes for each question of the test split: one text, or several that are drawn.

    Unless a temperature is set, each token is the likeliest one.
    """
    with clear_failures():
        trained = audited_input(context, store.store(), "checkpoint").snapshot
        run = store.store().run(CheckpointRecord.read(trained.file("checkpoint.json")).run_id)
        settings = PredictConfig.model_validate(config.model_dump())
        job = {
            "home": str(store.store().home),
            "run_id": run.run_id,
            "config": settings.model_dump(mode="json"),
        }
        worker.run(context, "tunix_ml.inference", job)
        written = read_predictions(asset_slot(store.store(), "predictions", context.partition_key, run=run))
        shown = [{"prompt": row.prompt, "text": row.text} for row in written.rows[:5]]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(written.snapshot.digest),
            metadata={
                "run_id": run.run_id,
                "items": written.meta.num_items,
                "samples_per_item": written.meta.decoding.num_samples,
                "temperature": written.meta.decoding.temperature,
                "cut_at_max_new_tokens": written.meta.num_length_stops,
                "new_tokens_per_second": round(written.meta.new_tokens_per_second),
                "generations": samples(shown, "prompt", "text"),
                "evaluation_set": written.meta.evaluation_set,
                "model_digest": written.meta.model_digest,
                "content_digest": written.snapshot.digest,
                "path": dg.MetadataValue.path(written.snapshot.path),
            },
        )
