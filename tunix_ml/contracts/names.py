"""The names that identify things: dataset versions and runs."""

import re
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError

_PARTITION_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_DATASET_VERSION = re.compile(r"(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)-v(?P<number>[0-9]+)")
_RECIPE = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")


class DatasetName(NamedTuple):
    """The two parts of a dataset version: `golden-v2` is name `golden`, version `v2`."""

    name: str
    version: str


def parse_dataset_version(value: str) -> DatasetName:
    """Split a dataset version into its name and its version.

    Raises:
        ContractError: the value is not of the form <name>-v<number>, at most 64 characters.
    """
    match = _DATASET_VERSION.fullmatch(value)
    if match is None or not _PARTITION_KEY.fullmatch(value) or ".." in value:
        raise ContractError(
            f"dataset version {value!r:.100} is not of the form <name>-v<number>:"
            " lower-case letters, digits, '.', '_' and '-', at most 64 characters, like 'golden-v2'"
        )
    return DatasetName(match["name"], f"v{match['number']}")


def is_dataset_version(value: str) -> bool:
    """Say whether a value is of the form <name>-v<number>."""
    try:
        parse_dataset_version(value)
    except ContractError:
        return False
    return True


def check_recipe_name(value: str) -> str:
    """Return a training recipe's name if it may stand in a run id.

    Raises:
        ContractError: the value has other characters or is longer than 40.
    """
    if not _RECIPE.fullmatch(value):
        raise ContractError(
            f"recipe {value!r:.100} is not a name of 1 to 40 lower-case letters, digits, '_' and '-'"
        )
    return value


def make_run_id(dataset_version: str, recipe: str, fingerprint: str) -> str:
    """Return `<dataset_version>.<recipe>.<first ten characters of the fingerprint>`."""
    parse_dataset_version(dataset_version)
    return f"{dataset_version}.{check_recipe_name(recipe)}.{fingerprint[:10]}"


def evaluation_set_name(dataset_version: str, split: str) -> str:
    """Return the name of a dataset's held-out split as an evaluation set, `golden-v2.test`."""
    return f"{dataset_version}.{split}"
