import json
from pathlib import Path

import pytest
import yaml

from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.adding import add_to_catalog
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import dataset_versions, load_recipe
from tunix_ml.datasets.inbox import InboxRefused
from tunix_ml.store import Store

GOLDEN = Path(__file__).parents[3] / "data" / "golden-v1.jsonl"
RECIPE = {
    "description": "Sums.",
    "license": "MIT",
    "source": {"kind": "jsonl", "path": "rows.jsonl", "format": "trace"},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "rows.jsonl").write_bytes(GOLDEN.read_bytes())
    path = folder / "mine-v1.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def test_a_recipe_that_was_added_builds_from_where_its_rows_lie(store: Store, recipe: Path) -> None:
    added = add_to_catalog(recipe, store.home)

    assert (added.dataset_version, added.is_new) == ("mine-v1", True)
    assert added.recipe == store.home / "recipes" / "mine-v1.yaml"
    assert build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)
    assert recipe.is_file()


def test_a_recipe_is_added_once_and_its_version_never_gets_another(store: Store, recipe: Path) -> None:
    add_to_catalog(recipe, store.home)
    build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)

    assert not add_to_catalog(recipe, store.home).is_new
    recipe.write_text(yaml.safe_dump({**RECIPE, "license": "Apache-2.0"}))
    with pytest.raises(InboxRefused, match="mine-v1 is in the catalog already with another recipe"):
        add_to_catalog(recipe, store.home)


def test_a_recipe_of_which_nothing_is_built_can_be_mended_and_added_again(store: Store, recipe: Path) -> None:
    add_to_catalog(recipe, store.home)
    recipe.write_text(yaml.safe_dump({**RECIPE, "max_reject_rate": 0.5}))

    add_to_catalog(recipe, store.home)

    assert load_recipe("mine-v1", store.home).recipe.max_reject_rate == 0.5


def test_a_recipe_that_comes_with_the_program_is_not_replaced(store: Store, recipe: Path) -> None:
    with pytest.raises(InboxRefused, match="golden-v1 is in the catalog already with another recipe"):
        add_to_catalog(recipe.rename(recipe.with_name("golden-v1.yaml")), store.home)


def test_a_recipe_without_relative_paths_is_copied_as_it_is(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "made-v1.yaml"
    source = {"kind": "generator", "generator": "arithmetic", "seed": 1, "num_traces": 5}
    path.write_text("# mine\n" + yaml.safe_dump({**RECIPE, "source": source}))

    assert add_to_catalog(path, store.home).recipe.read_bytes() == path.read_bytes()


def test_the_rows_of_a_part_and_variables_keep_their_meaning(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "mixed-v1.yaml"
    parts = [
        {"version": "golden-v2"},
        {"rows": {"kind": "jsonl", "path": "more.jsonl"}},
        {"rows": {"kind": "jsonl", "path": "${ROWS}/more.jsonl"}},
    ]
    path.write_text(yaml.safe_dump({**RECIPE, "source": {"kind": "versions", "parts": parts}}))

    written = yaml.safe_load(add_to_catalog(path, store.home).recipe.read_text())["source"]["parts"]

    assert [part.get("rows", {}).get("path") for part in written] == [
        None,
        str(tmp_path / "more.jsonl"),
        "${ROWS}/more.jsonl",
    ]


def test_a_file_of_traces_becomes_a_version_and_stays_where_it_is(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "mine-v3.jsonl"
    path.write_bytes(GOLDEN.read_bytes())

    added = add_to_catalog(path, store.home)

    assert added.dataset_version == "mine-v3"
    assert "mine-v3" in dataset_versions(store.home)
    assert path.is_file()
    assert list((store.home / "inbox").iterdir()) == []


def test_a_file_that_is_refused_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "mine-v3.jsonl"
    path.write_text(json.dumps({"q": "?"}) + "\n")

    with pytest.raises(InboxRefused, match="need a recipe with `format: mapped`"):
        add_to_catalog(path, store.home)

    assert list((store.home / "inbox").iterdir()) == []
    assert "mine-v3" not in dataset_versions(store.home)


@pytest.mark.parametrize("name", ["mine.yaml", "mine-v1.txt", "absent-v1.yaml"])
def test_what_is_neither_recipe_nor_traces_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    if not name.startswith("absent"):
        (tmp_path / name).write_text(yaml.safe_dump(RECIPE))

    with pytest.raises((ContractError, InboxRefused)):
        add_to_catalog(tmp_path / name, store.home)
