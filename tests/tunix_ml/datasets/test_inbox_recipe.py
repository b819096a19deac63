"""Recipes dropped into the inbox, with the file that they read."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.catalog import CatalogEntry, load_recipe
from tunix_ml.datasets.inbox import Accepted, SetAside, Waits, take_file, unbuilt_versions, waiting_files
from tunix_ml.datasets.inbox_recipe import claimed_files, read_dropped
from tunix_ml.store import Store

GENERATOR = {"kind": "generator", "generator": "golden", "seed": 1, "num_traces": 9}


@pytest.fixture
def inbox(store: Store) -> Path:
    folder = store.home / "inbox"
    folder.mkdir(parents=True)
    return folder


def drop_recipe(inbox: Path, source: dict[str, Any], name: str = "mine-v1.yaml", **fields: Any) -> Path:
    recipe = {"description": "mine", "license": "MIT", "source": source, **fields}
    (inbox / name).write_text(yaml.safe_dump(recipe))
    return inbox / name


def drop_rows(inbox: Path, name: str = "rows.jsonl") -> Path:
    (inbox / name).write_text(json.dumps({"question": "2 + 3?", "answer": "5"}) + "\n")
    return inbox / name


def jsonl(path: str) -> dict[str, Any]:
    return {"kind": "jsonl", "path": path}


def source_path(entry: CatalogEntry) -> Path:
    return entry.path.parent / entry.recipe.source.model_dump()["path"]


def test_a_recipe_takes_the_file_beside_it_along(store: Store, inbox: Path) -> None:
    recipe, rows = drop_recipe(inbox, jsonl("rows.jsonl"), train=True), drop_rows(inbox)

    outcome = take_file(recipe, store.home, settled=[recipe, rows])

    assert isinstance(outcome, Accepted)
    entry = load_recipe("mine-v1", store.home)
    assert entry.recipe.train
    assert "2 + 3?" in source_path(entry).read_text()
    assert waiting_files(store.home) == []
    assert unbuilt_versions(store) == [outcome]


def test_a_recipe_that_computes_its_rows_needs_no_file(store: Store, inbox: Path) -> None:
    assert isinstance(take_file(drop_recipe(inbox, GENERATOR), store.home), Accepted)
    assert load_recipe("mine-v1", store.home).recipe.source.kind == "generator"


def test_a_recipe_may_read_a_file_elsewhere(store: Store, inbox: Path) -> None:
    take_file(drop_recipe(inbox, jsonl("${ROWS}/a.jsonl")), store.home)

    assert load_recipe("mine-v1", store.home).recipe.source.model_dump()["path"] == "${ROWS}/a.jsonl"


def test_a_recipe_waits_for_its_file_and_the_file_for_it(store: Store, inbox: Path) -> None:
    recipe = drop_recipe(inbox, jsonl("rows.jsonl"))
    assert take_file(recipe, store.home) == Waits("mine-v1.yaml", "rows.jsonl is not there yet")

    rows = drop_rows(inbox)

    assert take_file(rows, store.home) == Waits("rows.jsonl", "it belongs to mine-v1.yaml")
    written = Waits("mine-v1.yaml", "rows.jsonl is still being written")
    assert take_file(recipe, store.home, settled=[recipe]) == written
    assert len(waiting_files(store.home)) == 2


def test_a_file_that_another_took_along_is_gone(store: Store, inbox: Path) -> None:
    assert take_file(inbox / "rows.jsonl", store.home) == Waits("rows.jsonl", "it is gone")


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_a_recipe_whose_taking_was_killed_is_taken_at_the_next_look(
    store: Store, inbox: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    recipe, _ = drop_recipe(inbox, jsonl("rows.jsonl")), drop_rows(inbox)
    calls = iter(range(1, 20))
    real_replace, real_unlink = os.replace, Path.unlink

    def counted(call: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == killed_at:
                raise KeyboardInterrupt
            return call(*args, **kwargs)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counted(real_replace))
        patch.setattr(Path, "unlink", counted(real_unlink))
        with pytest.raises(KeyboardInterrupt):
            take_file(recipe, store.home)

    for path in waiting_files(store.home):
        take_file(path, store.home)

    assert waiting_files(store.home) == []
    assert not (inbox / "rejected").exists()
    entry = load_recipe("mine-v1", store.home)
    assert source_path(entry).is_file()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("source: [", "is not YAML"),
        ("description: x", "is not a dataset recipe"),
        (yaml.safe_dump({"description": "x", "license": "x", "source": jsonl("../rows.jsonl")}), "beside it"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_set_aside(
    store: Store, inbox: Path, text: str, reason: str
) -> None:
    (inbox / "mine-v1.yaml").write_text(text)

    outcome = take_file(inbox / "mine-v1.yaml", store.home)

    assert isinstance(outcome, SetAside)
    assert reason in outcome.reason


def test_a_version_of_the_catalog_is_not_replaced(store: Store, inbox: Path) -> None:
    outcome = take_file(drop_recipe(inbox, GENERATOR, "golden-v2.yaml"), store.home)

    assert isinstance(outcome, SetAside)
    assert "in the catalog already" in outcome.reason


def test_a_broken_recipe_claims_no_file(inbox: Path) -> None:
    (inbox / "broken-v1.yaml").write_text("source: [")
    recipe = drop_recipe(inbox, jsonl("rows.jsonl"))

    assert claimed_files([inbox / "broken-v1.yaml", recipe]) == {inbox / "rows.jsonl": recipe}


def test_a_path_into_another_folder_is_refused(inbox: Path) -> None:
    with pytest.raises(ContractError, match="neither the name of a file beside it nor absolute"):
        read_dropped(drop_recipe(inbox, jsonl("deep/rows.jsonl")))
