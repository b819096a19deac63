from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.evaluation_catalog import (
    UnknownEvaluationSet,
    catalog_sets,
    evaluation_recipes,
    load_evaluation_recipe,
)
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.sources import VariableNotSet

RECIPE = """
description: Five questions.
license: Apache-2.0
path: mine.jsonl
"""


def write_recipe(home: Path, name: str, text: str = RECIPE) -> Path:
    path = home / "recipes" / "evaluation" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_every_shipped_recipe_can_be_read(tmp_path: Path) -> None:
    names = catalog_sets(tmp_path)

    assert {"eval-v1", "eval-v2", "gsm8k-test-v1"} <= set(names)
    assert [load_evaluation_recipe(name, tmp_path).name for name in names] == names


def test_a_recipe_of_the_users_own_joins_the_catalog_and_replaces_none(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine-v1")
    write_recipe(tmp_path, "eval-v1")

    entry = load_evaluation_recipe("mine-v1", tmp_path)

    assert (entry.path, entry.recipe.description) == (path, "Five questions.")
    assert load_evaluation_recipe("eval-v1", tmp_path).recipe.description != "Five questions."


def test_the_environment_can_name_another_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(tmp_path, "mine-v1")
    monkeypatch.setenv("TUNIX_CATALOG", str(tmp_path / "recipes"))

    assert catalog_sets(tmp_path / "nowhere") == ["mine-v1"]


def test_an_unknown_set_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownEvaluationSet, match=r"no evaluation set 'eval-v9' in the catalog.*eval-v1"):
        load_evaluation_recipe("eval-v9", tmp_path)


def test_a_file_whose_name_is_no_version_is_listed_to_be_refused(tmp_path: Path) -> None:
    write_recipe(tmp_path, "mine")

    assert "mine" in evaluation_recipes(tmp_path)
    assert "mine" not in catalog_sets(tmp_path)
    with pytest.raises(ContractError, match=r"mine\.yaml: .*'mine' is not of the form <name>-v<number>"):
        load_evaluation_recipe("mine", tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            RECIPE + "licence: MIT\n",
            r"is not a recipe of an evaluation set: licence: there is no such field, did you mean 'license'",
        ),
        (RECIPE + "format: mapped\n", "`mapping` is needed for format `mapped`"),
        (RECIPE + "answer_type: number\n", "`answer_type` is for format `mapped`"),
        (RECIPE + "format: csv\n", r"format: .*'items' or 'mapped'"),
        ("description: [1, 2", "is not YAML"),
        ("- a\n", "these are no fields"),
    ],
)
def test_a_broken_recipe_is_refused_naming_file_and_field(tmp_path: Path, text: str, complaint: str) -> None:
    write_recipe(tmp_path, "mine-v1", text)

    with pytest.raises(ContractError, match=rf"mine-v1\.yaml.*{complaint}"):
        load_evaluation_recipe("mine-v1", tmp_path)


def test_the_source_lies_beside_the_recipe(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "mine-v1")
    (path.parent / "mine.jsonl").touch()

    assert load_evaluation_recipe("mine-v1", tmp_path).source() == path.parent / "mine.jsonl"


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_recipe(tmp_path, "mine-v1")

    with pytest.raises(
        SourceError, match=r"path 'mine\.jsonl' of .*mine-v1\.yaml leads to .*, which is no file"
    ):
        load_evaluation_recipe("mine-v1", tmp_path).source()


def test_a_source_in_a_folder_that_nothing_names_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GSM8K_DIR", raising=False)

    with pytest.raises(VariableNotSet, match="needs the environment variable GSM8K_DIR"):
        load_evaluation_recipe("gsm8k-test-v1", tmp_path).source()
