"""The sensors: they register dataset versions, and bring in what is dropped into the inbox."""

import json
from pathlib import Path

import dagster as dg

from tunix_assets.jobs import build_dataset
from tunix_assets.partitions import DATASET_VERSIONS, catalog_keys
from tunix_assets.resources import StoreResource

_INTERVAL_S = 15


@dg.sensor(
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers every dataset version of the catalog as a partition, so that the UI offers it.",
)
def register_dataset_versions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Register every dataset version of the catalog as a partition, so that the UI offers it."""
    registered = set(context.instance.get_dynamic_partitions(_dimension()))
    missing = [key for key in catalog_keys() if key not in registered]
    if not missing:
        return dg.SkipReason("every dataset version of the catalog is registered")
    return dg.SensorResult(dynamic_partitions_requests=[DATASET_VERSIONS.build_add_request(missing)])


@dg.sensor(
    job=build_dataset,
    minimum_interval_seconds=_INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes each JSONL file and each recipe in `$TUNIX_HOME/inbox` a dataset version and builds"
    " it. A file is taken once it has kept its size and time between two looks; one that is no dataset goes"
    " to `inbox/rejected` with the reason beside it.",
)
def inbox(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult | dg.SkipReason:
    """Make each JSONL file and each recipe in `$TUNIX_HOME/inbox` a dataset version and build it.

    `my-traces-v1.jsonl` becomes `my-traces-v1`, as the recipe `my-traces-v1.yaml` beside it says if there is
    one. A file is taken once it has kept its size and time
    between two looks. One that is no dataset goes to `inbox/rejected` with the reason beside it, and stops no
    other.
    """
    from tunix_ml.datasets.inbox import unbuilt_versions, waiting_files

    home = store.store().home
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    waiting = {path: _signature(path) for path in waiting_files(home)}
    settled = [path for path, signature in waiting.items() if seen.get(path.name) == signature]
    sentences = [_take(path, home, settled) for path in settled]
    for sentence in sentences:
        context.log.info(sentence)
    context.update_cursor(json.dumps({path.name: mark for path, mark in waiting.items() if path.exists()}))
    accepted = unbuilt_versions(store.store())
    if not accepted:
        return dg.SkipReason("; ".join(sentences) or f"{len(waiting)} files are waiting to settle")
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{outcome.file_name}:{outcome.sha256}", partition_key=outcome.dataset_version
            )
            for outcome in accepted
        ],
        dynamic_partitions_requests=[
            DATASET_VERSIONS.build_add_request([outcome.dataset_version for outcome in accepted])
        ],
    )


def _dimension() -> str:
    name = DATASET_VERSIONS.name
    if name is None:
        raise ValueError("the partition dimension has no name")
    return name


def _signature(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _take(path: Path, home: Path, settled: list[Path]) -> str:
    """Take one file and say what became of it; what goes wrong with one must not stop the others."""
    from tunix_ml.datasets.inbox import Accepted, Waits, take_file

    try:
        outcome = take_file(path, home, settled=settled)
    except OSError as error:
        return f"{path.name} could not be taken and stays in the inbox: {error}"
    if isinstance(outcome, Waits):
        return f"{outcome.file_name} waits: {outcome.reason}"
    if isinstance(outcome, Accepted):
        return f"{outcome.file_name} became {outcome.dataset_version}"
    return f"{outcome.file_name} was set aside: {outcome.reason}"


SENSORS = (register_dataset_versions, inbox)
