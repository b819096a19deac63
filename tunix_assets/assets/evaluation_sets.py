"""The asset `evaluation_sets`."""

import dagster as dg

from asset_checks.subject import combined_digest, content_metadata
from tunix_assets.automation import MADE_ONCE
from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.resources import StoreResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.evaluation_set import EVALUATION_ITEMS_SCHEMA, EvaluationSetManifest
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.evaluation_items import EvaluationSetRefused
from tunix_ml.datasets.evaluation_publish import publish_catalog, read_manifest


@dg.asset(
    group_name="datasets",
    code_version=code_version(),
    kinds={"parquet"},
    metadata=column_schema(EVALUATION_ITEMS_SCHEMA),
    retry_policy=RETRIES,
    automation_condition=MADE_ONCE,
)
def evaluation_sets(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[None]:
    """Questions that no dataset holds, each with an answer of a declared type: what any run can be asked.

    There is one set for each recipe in `data/evaluation/` and in your own `recipes/evaluation/`; it never
    changes its items. A set is left out where the environment variable that leads to its file is not set. A
    broken one fails the asset, after the others are published.
    """
    with clear_failures():
        catalog = publish_catalog(store.store(), report=context.log.info)
        if catalog.refused:
            raise EvaluationSetRefused("\n".join(f"{name}: {why}" for name, why in catalog.refused.items()))
        digests = {name: snapshot.digest for name, snapshot in catalog.published.items()}
        manifests = [read_manifest(snapshot) for snapshot in catalog.published.values()]
        columns = ["set", "items", "sections", "answer types", "digest"]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(combined_digest(digests)),
            metadata={
                "sets": inline_table(columns, [_row(manifest) for manifest in manifests]),
                "items": sum(manifest.n_items for manifest in manifests),
                "not_available": inline_table(["set", "why"], list(catalog.unavailable.items())),
                **content_metadata(digests),
            },
        )


def _row(manifest: EvaluationSetManifest) -> tuple[object, ...]:
    sections, types = (", ".join(counts) for counts in (manifest.sections, manifest.answer_types))
    return manifest.name, manifest.n_items, sections, types, manifest.content_digest[:16]
