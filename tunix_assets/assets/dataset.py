"""The asset `dataset`."""

import itertools
from collections.abc import Mapping
from typing import Any

import dagster as dg

from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import column_schema, inline_table, samples
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.difference import CHANGES, DatasetDifference
from tunix_ml.contracts.trace import SPLITS, TRACES_SCHEMA, Split
from tunix_ml.datasets.catalog import load_recipe
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.read import Dataset


@dg.asset(
    group_name="datasets",
    partitions_def=DATASET_VERSIONS,
    code_version=code_version(),
    kinds={"parquet"},
    metadata=column_schema(TRACES_SCHEMA),
    retry_policy=RETRIES,
)
def dataset(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """Reasoning traces, validated, split and immutable.

    A partition is one dataset version of the catalog, `golden-v2`. Its recipe in `data/` says where the
    traces come from. Lines that are no valid trace stand in the rejects table with line number and reason;
    the asset fails when there are more than the recipe allows. A version never changes its content.
    """
    from tunix_ml.datasets.build import build_dataset
    from tunix_ml.datasets.difference import publish_parent_difference

    with clear_failures():
        entry = load_recipe(context.partition_key, store.store().home)
        built = Dataset(build_dataset(store.store(), entry, report=context.log.info))
        manifest, counts = built.manifest, built.manifest.counts()
        difference = publish_parent_difference(store.store(), built)
        examples = [
            {"prompt": row.trace.prompt, "answer": row.trace.final_answer}
            for row in itertools.islice(built.stream(), 5)
        ]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(built.snapshot.digest),
            metadata={
                "traces": manifest.trace_count,
                "rejected": counts.rejected,
                "duplicates": counts.duplicates,
                "filtered": counts.filtered,
                "splits": inline_table(["split", "traces"], _in_order(manifest.splits)),
                "families": inline_table(["family", "traces"], list(manifest.stats["families"].items())),
                **({"redacted": manifest.redacted_count} if manifest.redacted_count else {}),
                **(_difference(difference) if difference else {}),
                "questions": samples(examples, "prompt", "answer"),
                "card": dg.MetadataValue.md((built.snapshot.file("README.md")).read_text(encoding="utf-8")),
                "content_digest": built.snapshot.digest,
                "path": dg.MetadataValue.path(built.snapshot.path),
            },
        )


def _in_order(splits: Mapping[Split, int]) -> list[tuple[str, int]]:
    return [(name, splits[name]) for name in SPLITS if name in splits]


def _difference(difference: DatasetDifference) -> dict[str, Any]:
    """Return what changed since the parent version, as metadata."""
    counts = {f"{change}_rows": difference.counts.get(change, 0) for change in CHANGES}
    by_source = [
        (source, *(found.get(change, 0) for change in CHANGES))
        for source, found in difference.by_source.items()
    ]
    return {
        "parent": f"{difference.before} (content {difference.before_digest[:16]})",
        **counts,
        "difference": inline_table(["source", *CHANGES], by_source),
    }
