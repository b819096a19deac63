"""A recipe in the inbox: it says how the file beside it becomes a dataset version, and what happens then."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import DatasetRecipe, FileSource
from tunix_ml.datasets.catalog import read_recipe
from tunix_ml.durable import make_directory, write_atomically

RECIPE_SUFFIX = ".yaml"
_ELSEWHERE = ("/", "${")


class DroppedRecipe(NamedTuple):
    """A recipe, and the file beside it that it reads; None where it computes its rows or reads elsewhere."""

    recipe: DatasetRecipe
    data: Path | None


def read_dropped(path: Path) -> DroppedRecipe:
    """Read a recipe in the inbox.

    Raises:
        ContractError: it is no recipe, or names a file neither beside it nor by a whole path.
    """
    recipe = read_recipe(path)
    source = recipe.source
    if not isinstance(source, FileSource) or source.path.startswith(_ELSEWHERE):
        return DroppedRecipe(recipe, None)
    if Path(source.path).name != source.path:
        raise ContractError(
            f"{path.name}: source path {source.path!r} is neither the name of a file beside it nor absolute"
        )
    return DroppedRecipe(recipe, path.with_name(source.path))


def claimed_files(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return the files that recipes among these paths read, with the recipe that does."""
    claimed = {}
    for path in paths:
        if path.suffix != RECIPE_SUFFIX:
            continue
        try:
            data = read_dropped(path).data
        except ContractError:  # it is set aside with this reason when it is taken
            continue
        if data is not None:
            claimed[data] = path
    return claimed


def write_recipe(path: Path, recipe: DatasetRecipe, *, data: Path | None) -> None:
    """Write a recipe into the catalog, with the path of its file where it lies now."""
    if data is not None:
        relative = f"../sources/{path.stem}/{data.name}"
        source = recipe.source.model_copy(update={"path": relative})
        recipe = recipe.model_copy(update={"source": source})
    plain = recipe.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    make_directory(path.parent)
    write_atomically(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode())
