"""The asset `tokenized_examples`."""

from typing import Any

from tunix_ml.contracts.tokens import TokensManifest


def test_its_metadata_counts_the_tokens(pipeline: Any) -> None:
    snapshot = pipeline.store.slot("tokenized_examples", "golden-v1").resolve()

    manifest = TokensManifest.read(snapshot.file("tokens.json"))

    metadata = pipeline.metadata("tokenized_examples")
    assert metadata["tokens"] == sum(manifest.num_tokens.values())
    assert metadata["vocab_size"] == manifest.vocab_size <= 320
    assert metadata["layout"] == "packed, 192 tokens a row"
