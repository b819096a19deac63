"""The asset `tokenized_examples`."""

from collections.abc import Iterator

import dagster as dg

from tunix_assets.automation import FOLLOWS_ITS_INPUTS
from tunix_assets.inputs import audited_input, clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.tokens import TOKENS_SCHEMA, TokenizeConfig, TokensManifest
from tunix_ml.exports.render import code_version


class TokenizedExamplesConfig(TokenizeConfig, dg.Config):
    """The run configuration of `tokenized_examples`."""


@dg.asset(
    deps=["sft_export"],
    group_name="exports",
    partitions_def=DATASET_VERSIONS,
    code_version=code_version(),
    kinds={"parquet"},
    metadata=column_schema(TOKENS_SCHEMA),
    retry_policy=RETRIES,
    automation_condition=FOLLOWS_ITS_INPUTS,
)
def tokenized_examples(
    context: dg.AssetExecutionContext, config: TokenizedExamplesConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The train and validation examples of one dataset version as rows of token ids, with their tokenizer.

    The loss mask covers each completion and its end-of-sequence token, never the prompt. In the packed layout
    several examples share a row and cannot see each other.
    """
    from tunix_ml.exports.tokenize import TOKENIZED_SPLITS, tokenize_export

    with clear_failures():
        source = audited_input(context, store.store(), "sft_export")
        snapshot = tokenize_export(
            store.store(), context.partition_key, config, export_digest=source.snapshot.digest
        )
        manifest = TokensManifest.read(snapshot.file("tokens.json"))
        counts = [
            (
                split,
                manifest.num_examples[split],
                manifest.num_rows[split],
                manifest.num_tokens[split],
                f"{manifest.fill[split]:.3f}",
                manifest.num_truncated[split],
            )
            for split in TOKENIZED_SPLITS
        ]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(snapshot.digest),
            metadata={
                "tokens": sum(manifest.num_tokens.values()),
                "vocab_size": manifest.vocab_size,
                "splits": inline_table(["split", "examples", "rows", "tokens", "fill", "left out"], counts),
                "lengths": inline_table(["split", "tokens", "examples"], list(_lengths(manifest))),
                "layout": f"{manifest.layout}, {manifest.seq_len} tokens a row",
                "tokenizer": manifest.tokenizer,
                "content_digest": snapshot.digest,
                "path": dg.MetadataValue.path(snapshot.path),
            },
        )


def _lengths(manifest: TokensManifest) -> Iterator[tuple[str, str, int]]:
    """Yield how many examples of each split have so many tokens."""
    for split, bins in manifest.lengths.items():
        for one in bins:
            yield split, f"{one.low} to {one.high - 1}", one.num_traces
