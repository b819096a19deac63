"""The sensor that builds a dataset version again when its recipe, or a file that it reads, has changed."""

import dagster as dg

from tunix_assets.jobs import build_dataset
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource

_INTERVAL_S = 15


@dg.sensor(
    job=build_dataset,
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds a dataset version whose recipe, or a file that it reads, has another content than"
    " before. A version never changes its content: a change that would is refused, and what hangs on it"
    " stays.",
)
def changed_recipes(
    context: dg.SensorEvaluationContext, store: StoreResource
) -> dg.SensorResult | dg.SkipReason:
    """Build a dataset version whose recipe or source file has another content than before.

    A change counts once it has stayed the same between two looks. What is seen for the first time is no
    change. A version never changes its content: a change that would is refused, and what hangs on it stays.
    """
    from tunix_ml.datasets.changes import Look, look_again

    before = Look.parse((context.cursor or "{}").encode(), subject="the cursor")
    now, changes = look_again(store.store().home, before)
    context.update_cursor(now.to_json().decode())
    if not changes:
        return dg.SkipReason(f"{len(now.versions)} recipes and their files are as they were")
    versions = [change.dataset_version for change in changes]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=change.key, partition_key=change.dataset_version) for change in changes
        ],
        dynamic_partitions_requests=[DATASET_VERSIONS.build_add_request(versions)],
    )
