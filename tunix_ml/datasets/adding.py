"""Add a dataset version to the catalog: a recipe, or a file of traces that needs none."""

import shutil
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.datasets.catalog import dataset_versions, load_recipe, read_recipe
from tunix_ml.datasets.inbox import Accepted, InboxRefused, take_file
from tunix_ml.durable import copy_atomically, make_directory, write_atomically
from tunix_ml.store import Store

RECIPE_SUFFIXES = (".yaml", ".yml")


class Added(NamedTuple):
    """A dataset version that is in the catalog now, and its recipe."""

    dataset_version: str
    recipe: Path
    is_new: bool


def add_to_catalog(path: Path, home: Path) -> Added:
    """Add a recipe, `<name>-v<n>.yaml`, or a file of traces, `<name>-v<n>.jsonl`, to the user's own catalog.

    The file given stays where it is. What is in the catalog already with the same content is left alone; an
    own recipe of which nothing has been built is replaced.

    Raises:
        ContractError: the file is neither, or a recipe that reads nothing the contract knows.
        InboxRefused: the traces cannot become a dataset version, or the version is there with other content.
    """
    if not path.is_file():
        raise ContractError(f"there is no file {path}")
    return _add_recipe(path, home) if path.suffix in RECIPE_SUFFIXES else _add_rows(path, home)


def _add_recipe(path: Path, home: Path) -> Added:
    parse_dataset_version(path.stem)
    written, anchored = read_recipe(path), _anchored(path)
    target = home / "recipes" / f"{path.stem}.yaml"
    if path.stem in dataset_versions(home):
        known = load_recipe(path.stem, home)
        if known.recipe in (written, DatasetRecipe.model_validate(yaml.safe_load(anchored))):
            return Added(path.stem, known.path, is_new=False)
        if known.path != target or Store(home).slot("dataset", path.stem).pointer():
            raise InboxRefused(
                f"{path.stem} is in the catalog already with another recipe, {known.path}, and a version"
                " never changes its content: name the next version"
            )
    make_directory(target.parent)
    write_atomically(target, anchored)
    return Added(path.stem, target, is_new=True)


def _anchored(path: Path) -> bytes:
    """Return a recipe whose relative paths lead to the same files from any folder."""
    data = path.read_bytes()
    plain = yaml.safe_load(data)
    if not _anchor(plain["source"], path.resolve().parent):
        return data
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode()


def _anchor(source: dict[str, Any], folder: Path) -> bool:
    """Make the paths of a source absolute, also those of its parts; say if there was one to change."""
    changed = [_anchor(part["rows"], folder) for part in source.get("parts", ()) if part.get("rows")]
    named = source.get("path")
    if isinstance(named, str) and not named.startswith("${") and not Path(named).is_absolute():
        source["path"] = str(folder / named)
        changed.append(True)
    return any(changed)


def _add_rows(path: Path, home: Path) -> Added:
    """Let the inbox take a copy, so that what it refuses is told here and nothing is set aside."""
    folder = home / "inbox" / f".adding-{uuid.uuid4().hex}"
    make_directory(folder)
    try:
        copy_atomically(path, folder / path.name)
        outcome = take_file(folder / path.name, home)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not isinstance(outcome, Accepted):
        raise InboxRefused(outcome.reason)
    version = outcome.dataset_version
    return Added(version, home / "recipes" / f"{version}.yaml", is_new=True)
