"""The partition dimension of dataset versions."""

from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.partitions import DATASET_VERSIONS, catalog_keys


def test_the_catalog_is_known_to_an_instance_that_has_registered_nothing(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        keys = DATASET_VERSIONS.get_partition_keys(dynamic_partitions_store=instance)

    assert set(keys) == set(catalog_keys())
    assert {"golden-v1", "golden-v2", "dev-reasoning-v1", "arithmetic-v1"} <= set(keys)


def test_registered_keys_come_once_and_first(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("dataset_version", ["mine-v1", "golden-v2"])

        keys = DATASET_VERSIONS.get_partition_keys(dynamic_partitions_store=instance)

    assert keys[:2] == ["mine-v1", "golden-v2"]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("key", ["a/b", "..", "", "Golden-v2", "golden", "golden-v2 ", "x" * 70 + "-v1"])
def test_a_malformed_key_is_no_partition_even_if_registered(home: Path, key: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert not DATASET_VERSIONS.has_partition_key(key, dynamic_partitions_store=instance)


def test_a_recipe_in_the_home_is_a_partition_at_once(home: Path) -> None:
    (home / "recipes").mkdir(parents=True)
    (home / "recipes" / "mine-v1.yaml").write_text("{}")

    with dg.DagsterInstance.ephemeral() as instance:
        assert DATASET_VERSIONS.has_partition_key("mine-v1", dynamic_partitions_store=instance)


def test_the_catalog_and_what_is_registered_are_valid_and_nothing_else(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance, dg.partition_loading_context(None, instance):
        instance.add_dynamic_partitions("dataset_version", ["mine-v1"])

        valid = DATASET_VERSIONS.filter_valid_partition_keys({"golden-v1", "mine-v1", "other-v1"})

    assert valid == {"golden-v1", "mine-v1"}
