"""The partition dimension of dataset versions."""

from pathlib import Path

import click
import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli

from tunix_assets.definitions import defs
from tunix_assets.partitions import DATASET_VERSIONS, UnknownVersion, catalog_keys


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


def test_a_misspelt_version_is_refused_with_those_there_are(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("dataset_version", ["mine-v1"])

        with pytest.raises(UnknownVersion, match="no dataset version 'mime-v1', did you mean mine-v1"):
            defs.resolve_job_def("build_dataset").execute_in_process(
                partition_key="mime-v1", instance=instance
            )


@pytest.mark.filterwarnings("ignore:Function `asset_materialize_command` is superseded")
def test_the_command_line_ends_with_the_versions_there_are(home: Path) -> None:
    command: click.Command = create_dagster_cli()  # type: ignore[no-untyped-call]
    words = "asset materialize -m tunix_assets.definitions --select key:dataset --partition goldn-v2"

    outcome = CliRunner().invoke(command, words.split())

    assert isinstance(outcome.exception, UnknownVersion)
    assert str(outcome.exception) == (
        "there is no dataset version 'goldn-v2', did you mean golden-v2?"
        f" There are: {', '.join(sorted(catalog_keys()))}"
    )
