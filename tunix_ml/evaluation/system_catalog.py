"""Recipes for predictions made elsewhere, in `data/systems/` and `$TUNIX_HOME/recipes/systems/`."""

from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError, describe
from tunix_ml.contracts.system import SystemsRecipe
from tunix_ml.datasets.catalog import catalog_directories

_FOLDER = "systems"


class SystemsEntry(NamedTuple):
    """A recipe and the file it was read from."""

    name: str
    recipe: SystemsRecipe
    path: Path


def systems_recipes(home: Path) -> list[Path]:
    """Return the file of every recipe, by name; a user's own comes after a shipped one of its name."""
    files: dict[str, Path] = {}
    for directory in catalog_directories(home):
        for path in sorted((directory / _FOLDER).glob("*.yaml")):
            files.setdefault(path.stem, path)
    return [files[name] for name in sorted(files)]


def load_systems(path: Path) -> SystemsEntry:
    """Read one recipe.

    Raises:
        ContractError: it is malformed; the message names the file and the fields.
    """
    try:
        recipe = SystemsRecipe.model_validate(yaml.safe_load(path.read_bytes()))
    except yaml.YAMLError as error:
        raise ContractError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        raise ContractError(f"{path} is not a recipe of systems: {describe(error)}") from error
    return SystemsEntry(path.stem, recipe, path)
