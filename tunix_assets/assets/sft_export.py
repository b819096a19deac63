"""The asset `sft_export`."""

import itertools
import json

import dagster as dg

from tunix_assets.automation import FOLLOWS_ITS_INPUTS
from tunix_assets.inputs import audited_input, clear_failures
from tunix_assets.metadata import inline_table, samples
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.export import ExportConfig, ExportManifest, export_file
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.exports.render import code_version, export_lines, render_dataset


class SftExportConfig(ExportConfig, dg.Config):
    """The run configuration of `sft_export`."""


@dg.asset(
    deps=["dataset"],
    group_name="exports",
    partitions_def=DATASET_VERSIONS,
    code_version=code_version(),
    kinds={"json"},
    retry_policy=RETRIES,
    automation_condition=FOLLOWS_ITS_INPUTS,
)
def sft_export(
    context: dg.AssetExecutionContext, config: SftExportConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The traces of one dataset version as JSONL, in three formats and one file for each split.

    `trace` can be ingested again, `tunix_sft` holds Gemma dialogues, and `training_example` is what our
    models learn: the prompt they read and the response they write, in the template of the configuration.
    """
    with clear_failures():
        source = audited_input(context, store.store(), "dataset")
        snapshot = render_dataset(
            store.store(), context.partition_key, config, dataset_digest=source.snapshot.digest
        )
        files = [(name, file.num_bytes) for name, file in snapshot.record.files.items()]
        manifest = ExportManifest.read(snapshot.file("export.json"))
        shown = itertools.islice(export_lines(snapshot, "training_example", "train"), 3)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(snapshot.digest),
            metadata={
                "template": config.template,
                "examples": sum(manifest.counts[export_file("training_example", split)] for split in SPLITS),
                "rendered_examples": samples(list(map(json.loads, shown)), "prompt", "response"),
                "files": inline_table(["file", "bytes"], files),
                "content_digest": snapshot.digest,
                "path": dg.MetadataValue.path(snapshot.path),
            },
        )
