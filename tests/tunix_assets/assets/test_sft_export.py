"""The asset `sft_export`."""

from typing import Any

from tunix_ml.contracts.export import ExportManifest


def test_its_metadata_counts_the_examples_and_shows_some(pipeline: Any) -> None:
    metadata = pipeline.metadata("sft_export")

    assert metadata["examples"] == pipeline.metadata("dataset")["traces"]
    assert "<reasoning>" in str(metadata["rendered_examples"])


def test_it_is_made_from_the_dataset_of_the_same_run(pipeline: Any) -> None:
    snapshot = pipeline.store.slot("sft_export", "golden-v1").resolve()

    manifest = ExportManifest.read(snapshot.file("export.json"))

    assert manifest.dataset_digest == pipeline.metadata("dataset")["content_digest"]
    assert snapshot.record.parents == {"dataset": manifest.dataset_digest}
