"""Recipes for predictions made elsewhere, in `data/systems/` and `$TUNIX_HOME/recipes/systems/`."""

from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.system import SystemsRecipe
from tunix_ml.datasets.catalog import parse_recipe, recipe_files

_FOLDER = "systems"


class SystemsEntry(NamedTuple):
    """A recipe and the file it was read from."""

    name: str
    recipe: SystemsRecipe
    path: Path


def systems_recipes(home: Path) -> list[Path]:
    """Return the file of every recipe, in the order of their names."""
    return [path for _, path in sorted(recipe_files(home, _FOLDER).items())]


def load_systems(path: Path) -> SystemsEntry:
    """Read one recipe.

    Raises:
        ContractError: it is malformed; the message names the file and the fields.
    """
    return SystemsEntry(path.stem, parse_recipe(path, SystemsRecipe, what="a recipe of systems"), path)
