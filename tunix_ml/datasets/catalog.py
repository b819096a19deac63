"""The catalog: one recipe file per dataset version, in `data/` and in `$TUNIX_HOME/recipes/`."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.explain import describe
from tunix_ml.contracts.names import is_dataset_version, parse_dataset_version
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.store import Store

Recipe = TypeVar("Recipe", bound=BaseModel)


class UnknownDatasetVersion(TunixError):
    """No recipe in the catalog has this name."""


class CatalogEntry(NamedTuple):
    """A recipe and the file it was read from."""

    dataset_version: str
    recipe: DatasetRecipe
    path: Path


def catalog_directories(home: Path) -> tuple[Path, Path]:
    """Return the folder of the shipped recipes and the folder of the user's own.

    The first is `$TUNIX_CATALOG` where that is set.
    """
    package = Path(__file__).parents[1]
    shipped = next((path for path in (package.parent / "data", package / "data") if path.is_dir()), package)
    return Path(os.environ.get("TUNIX_CATALOG") or shipped), home / "recipes"


def dataset_versions(home: Path) -> list[str]:
    """Return the name of every recipe in the catalog, sorted, without reading any.

    A file whose name is no dataset version is not one of them; `load_recipe` says why.
    """
    return sorted(name for name in recipe_files(home) if is_dataset_version(name))


def dataset_recipes(home: Path) -> dict[str, Path]:
    """Return the file of every recipe in the catalog by dataset version, sorted, without reading any."""
    files = recipe_files(home)
    return {name: files[name] for name in dataset_versions(home)}


def load_recipe(dataset_version: str, home: Path) -> CatalogEntry:
    """Read the recipe of one dataset version.

    Raises:
        ContractError: the name or the recipe is malformed; the message names the file and the fields.
        UnknownDatasetVersion: there is no such recipe; the message names those there are.
    """
    parse_dataset_version(dataset_version)
    files = recipe_files(home)
    if dataset_version not in files:
        places = " or ".join(str(directory) for directory in catalog_directories(home))
        raise UnknownDatasetVersion(
            f"no recipe {dataset_version}.yaml in {places}; the catalog has: {', '.join(sorted(files))}"
        )
    path = files[dataset_version]
    return CatalogEntry(dataset_version, read_recipe(path), path)


def require_known(store: Store, *names: str) -> None:
    """Refuse names of which there is neither a recipe nor a published dataset.

    Raises:
        UnknownDatasetVersion: one is unknown; the message names those there are.
    """
    published = {slot.key for slot in store.slots() if slot.table == "dataset" and slot.pointer()}
    known = sorted(published.union(dataset_versions(store.home)))
    for name in names:
        if name not in known:
            raise UnknownDatasetVersion(tell_unknown(name, known))


def tell_unknown(name: str, known: list[str]) -> str:
    """Return a sentence about a dataset version that is none of those known."""
    meant = get_close_matches(name, known, n=1)
    hint = f", did you mean {meant[0]}?" if meant else "."
    return f"there is no dataset version {name!r:.100}{hint} There are: {', '.join(known)}"


def read_recipe(path: Path) -> DatasetRecipe:
    """Read one recipe, of the catalog or not.

    Raises:
        ContractError: the file is not there or no recipe; the message names it and the fields.
    """
    return parse_recipe(path, DatasetRecipe, what="a dataset recipe")


def recipe_files(home: Path, folder: str = "") -> dict[str, Path]:
    """Return the recipe files in a folder of the catalog, by name; a user's own replaces no shipped one."""
    files: dict[str, Path] = {}
    for directory in catalog_directories(home):
        for path in sorted((directory / folder).glob("*.yaml")):
            files.setdefault(path.stem, path)
    return files


def parse_recipe(path: Path, contract: type[Recipe], *, what: str) -> Recipe:
    """Read one recipe of any kind; `what` it is called is for the error.

    Raises:
        ContractError: the file is not there or no such recipe; the message names it and the fields.
    """
    try:
        return contract.model_validate(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        raise ContractError(f"recipe {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ContractError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        raise ContractError(f"{path} is not {what}: {describe(error, contract)}") from error
