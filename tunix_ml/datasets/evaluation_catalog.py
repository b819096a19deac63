"""The catalog of evaluation sets: recipes in `data/evaluation/` and `$TUNIX_HOME/recipes/evaluation/`."""

from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.evaluation_set import EvaluationSetRecipe
from tunix_ml.contracts.names import is_dataset_version, parse_dataset_version
from tunix_ml.datasets.catalog import parse_recipe, recipe_files
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.sources import expand

FOLDER = "evaluation"


class UnknownEvaluationSet(TunixError):
    """There is no evaluation set of this name."""


class EvaluationEntry(NamedTuple):
    """A recipe and the file it was read from."""

    name: str
    recipe: EvaluationSetRecipe
    path: Path

    def source(self) -> Path:
        """Return the file that the recipe reads.

        Raises:
            VariableNotSet: its path has an environment variable that is not set.
            SourceError: there is no such file.
        """
        path = self.path.parent / expand(self.recipe.path)
        if not path.is_file():
            raise SourceError(f"path {self.recipe.path!r} of {self.path} leads to {path}, which is no file")
        return path


def evaluation_recipes(home: Path) -> list[str]:
    """Return the name of every recipe file, sorted, without reading any; `load_evaluation_recipe` checks it.

    A user's own does not replace a shipped one.
    """
    return sorted(recipe_files(home, FOLDER))


def catalog_sets(home: Path) -> list[str]:
    """Return the names of the evaluation sets that have a recipe, sorted, without reading any."""
    return [name for name in evaluation_recipes(home) if is_dataset_version(name)]


def load_evaluation_recipe(name: str, home: Path) -> EvaluationEntry:
    """Read the recipe of one evaluation set.

    Raises:
        ContractError: the name or the recipe is malformed; the message names the file and the fields.
        UnknownEvaluationSet: there is no such recipe; the message names those there are.
    """
    files = recipe_files(home, FOLDER)
    if name not in files:
        known = ", ".join(sorted(files))
        raise UnknownEvaluationSet(f"no evaluation set {name!r:.140} in the catalog, which has: {known}")
    try:
        parse_dataset_version(name)
    except ContractError as error:
        raise ContractError(f"{files[name]}: {error}") from None
    recipe = parse_recipe(files[name], EvaluationSetRecipe, what="a recipe of an evaluation set")
    return EvaluationEntry(name, recipe, files[name])
