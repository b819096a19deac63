"""The registering sensor and the inbox."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.partitions import catalog_keys
from tunix_assets.resources import StoreResource
from tunix_assets.sensors import inbox, register_dataset_versions

RECIPE = """
description: mine
license: MIT
train: true
source: {kind: jsonl, path: rows.jsonl}
"""
GOLDEN = Path(__file__).parents[2] / "data" / "golden-v1.jsonl"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def inbox_folder(home: Path) -> Path:
    folder = home / "inbox"
    folder.mkdir(parents=True)
    return folder


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[dg.SensorResult | None, str]:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"store": StoreResource()})
    outcome = inbox(context)
    return outcome if isinstance(outcome, dg.SensorResult) else None, context.cursor or ""


def two_ticks(instance: dg.DagsterInstance) -> dg.SensorResult | None:
    _, cursor = tick(instance)
    return tick(instance, cursor)[0]


def test_every_key_of_the_catalog_is_registered_once(home: Path, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("dataset_version", ["golden-v1"])

    result = register_dataset_versions(dg.build_sensor_context(instance=instance))

    assert isinstance(result, dg.SensorResult)
    (request,) = result.dynamic_partitions_requests or []
    assert set(request.partition_keys) == set(catalog_keys()) - {"golden-v1"}


def test_with_every_key_registered_there_is_nothing_to_do(home: Path, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("dataset_version", catalog_keys())

    result = register_dataset_versions(dg.build_sensor_context(instance=instance))

    assert isinstance(result, dg.SkipReason)


def test_a_file_is_taken_only_when_it_has_stopped_changing(
    inbox_folder: Path, instance: dg.DagsterInstance
) -> None:
    shutil.copy(GOLDEN, inbox_folder / "mine-v1.jsonl")
    first, cursor = tick(instance)
    with (inbox_folder / "mine-v1.jsonl").open("a") as file:
        file.write("\n")

    second, _ = tick(instance, cursor)

    assert first is None
    assert second is None
    assert (inbox_folder / "mine-v1.jsonl").exists()


def test_a_good_file_becomes_a_partition_and_a_build(
    inbox_folder: Path, instance: dg.DagsterInstance
) -> None:
    shutil.copy(GOLDEN, inbox_folder / "mine-v1.jsonl")

    result = two_ticks(instance)

    assert result is not None
    (request,) = result.run_requests or []
    assert request.partition_key == "mine-v1"
    assert request.run_key is not None
    assert request.run_key.startswith("mine-v1.jsonl:")
    assert "mine-v1" in catalog_keys()


def test_a_bad_file_is_set_aside_and_does_not_stop_a_good_one(
    inbox_folder: Path, instance: dg.DagsterInstance
) -> None:
    (inbox_folder / "broken-v1.jsonl").write_text('{"prompt": "half a line\n')
    shutil.copy(GOLDEN, inbox_folder / "mine-v1.jsonl")

    result = two_ticks(instance)

    assert result is not None
    assert [request.partition_key for request in result.run_requests or []] == ["mine-v1"]
    reason = (inbox_folder / "rejected" / "broken-v1.jsonl.reason.txt").read_text()
    assert "line 1" in reason
    assert list(inbox_folder.glob("*.jsonl")) == []


def test_a_recipe_is_taken_with_its_file(inbox_folder: Path, instance: dg.DagsterInstance) -> None:
    (inbox_folder / "mine-v1.yaml").write_text(RECIPE)
    waiting, cursor = tick(instance)
    shutil.copy(GOLDEN, inbox_folder / "rows.jsonl")
    for _ in range(2):
        result, cursor = tick(instance, cursor)

    assert waiting is None
    assert result is not None
    assert [request.partition_key for request in result.run_requests or []] == ["mine-v1"]
    assert "train: true" in (inbox_folder.parent / "recipes" / "mine-v1.yaml").read_text()


def test_an_empty_inbox_is_no_reason_to_run(home: Path, instance: dg.DagsterInstance) -> None:
    assert two_ticks(instance) is None
