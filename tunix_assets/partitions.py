"""The one partition dimension: dataset versions, as the catalog has them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg

from tunix_ml.contracts.names import is_dataset_version
from tunix_ml.datasets.catalog import dataset_versions, tell_unknown
from tunix_ml.store import Store


class UnknownVersion(dg.DagsterError):
    """A partition key is no dataset version that is known."""


class DatasetVersions(dg.DynamicPartitionsDefinition):
    """Dynamic partitions that always include the catalog's keys.

    So a fresh clone, whose Dagster instance has registered nothing, knows them on the command line. The web
    server and the daemon see registered keys only; the sensor `register_dataset_versions` registers them.
    """

    def get_partition_keys(self, *args: Any, **kwargs: Any) -> Sequence[str]:
        """Return the registered keys and the catalog's, each once, registered ones first."""
        registered = list(super().get_partition_keys(*args, **kwargs))
        return registered + [key for key in catalog_keys() if key not in set(registered)]

    def has_partition_key(self, partition_key: str, *args: Any, **kwargs: Any) -> bool:
        """Say whether a key is well-formed and either in the catalog or registered."""
        if not is_dataset_version(partition_key):
            return False
        return partition_key in catalog_keys() or super().has_partition_key(partition_key, *args, **kwargs)

    def validate_partition_key(self, partition_key: str, context: Any) -> None:
        """Refuse a key that is no dataset version, naming those there are.

        Not with Dagster's own error: its command line, as of 1.13, replaces that by one that names none.
        """
        with dg.partition_loading_context(new_ctx=context):
            if not self.has_partition_key(partition_key):
                known = sorted(self.get_partition_keys())
                raise UnknownVersion(tell_unknown(partition_key, known))

    def filter_valid_partition_keys(self, partition_keys: set[str]) -> AbstractSet[str]:
        """Return those of some keys that are known; automation asks so for what has been materialized."""
        return super().filter_valid_partition_keys(partition_keys) | (partition_keys & set(catalog_keys()))


def catalog_keys() -> list[str]:
    """Return the dataset versions that the catalog has a recipe for."""
    return dataset_versions(Store.from_environment().home)


DATASET_VERSIONS = DatasetVersions(name="dataset_version")
