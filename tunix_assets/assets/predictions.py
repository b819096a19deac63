"""The asset `predictions`."""

import dagster as dg

from asset_checks.subject import combined_digest, content_metadata
from tunix_assets.automation import TRAINS_WHERE_ASKED
from tunix_assets.inputs import audited_input, clear_failures, require_audited_sets, tell_run
from tunix_assets.metadata import column_schema, inline_table, samples
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, PredictConfig
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.datasets.evaluation_set import full_names
from tunix_ml.evaluation.report import Predictions, predictions_slot, read_predictions
from tunix_ml.provenance import source_digest


class PredictionsConfig(PredictConfig, dg.Config):
    """The run configuration of `predictions`."""


@dg.asset(
    deps=["checkpoint", "evaluation_sets"],
    group_name="evaluation",
    partitions_def=DATASET_VERSIONS,
    code_version=source_digest("contracts", "exports", "modeling", "inference"),
    kinds={"jax"},
    pool="accelerator",
    metadata=column_schema(PREDICTIONS_SCHEMA),
    retry_policy=RETRIES,
    automation_condition=TRAINS_WHERE_ASKED,
)
def predictions(
    context: dg.AssetExecutionContext,
    config: PredictionsConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """What the trained model writes for each question: one text, or several that are drawn.

    It is asked the test split of its dataset version, and whichever evaluation sets of the catalog the
    configuration names beside it. Unless a temperature is set, each token is the likeliest one.
    """
    with clear_failures():
        trained = audited_input(context, store.store(), "checkpoint").snapshot
        run = store.store().run(CheckpointRecord.read(trained.file("checkpoint.json")).run_id)
        tell_run(context, store.store(), run.run_id)
        settings = PredictConfig.model_validate(config.model_dump())
        names = full_names(settings.evaluation_sets, context.partition_key)
        require_audited_sets(store.store(), names)
        job = {
            "home": str(store.store().home),
            "run_id": run.run_id,
            "config": settings.model_dump(mode="json"),
        }
        worker.run(context, "tunix_ml.inference", job)
        return _describe({name: read_predictions(predictions_slot(run, name)) for name in names})


def _describe(written: dict[str, Predictions]) -> dg.MaterializeResult[None]:
    digests = {name: predictions.snapshot.digest for name, predictions in written.items()}
    first = next(iter(written.values()))
    shown = [{"prompt": row.prompt, "text": row.text} for row in first.rows[:5]]
    metas = [predictions.meta for predictions in written.values()]
    sets = [
        (meta.evaluation_set, meta.num_items, meta.num_length_stops, round(meta.new_tokens_per_second))
        for meta in metas
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(combined_digest(digests)),
        metadata={
            "run_id": first.meta.run_id,
            "evaluation_sets": inline_table(["asked", "items", "cut short", "tokens/s"], sets),
            "items": sum(meta.num_items for meta in metas),
            "samples_per_item": first.meta.decoding.num_samples,
            "temperature": first.meta.decoding.temperature,
            "cut_at_max_new_tokens": sum(meta.num_length_stops for meta in metas),
            "generations": samples(shown, "prompt", "text"),
            "model_digest": first.meta.model_digest,
            "path": dg.MetadataValue.path(first.snapshot.path),
            **content_metadata(digests),
        },
    )
