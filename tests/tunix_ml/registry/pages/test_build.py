import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetRecipe
from tunix_ml.datasets.evaluation_catalog import EvaluationEntry
from tunix_ml.datasets.evaluation_publish import publish_evaluation_set
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.boards import read_results
from tunix_ml.registry.pages.build import Site
from tunix_ml.registry.pages.published_sets import published_sets
from tunix_ml.registry.pages.references import is_internal, path_of, read_page
from tunix_ml.registry.pages.sweeps import published_sweeps
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]


def files_of(store: Store) -> dict[str, bytes]:
    leaderboard = publish_leaderboard(store, required_checks=())
    results = read_results(leaderboard, home=store.home)
    sets, sweeps = published_sets(store, most_traces=5), published_sweeps(store)
    files = list(Site(store, results, sets, sweeps).files())
    assert len({file.path for file in files}) == len(files)
    return {file.path: file.data for file in files}


@pytest.fixture
def files(store: Store, evaluated: Evaluated) -> dict[str, bytes]:
    """The site of two good runs and a damaged one."""
    evaluated(recipe="best", share_right=1.0)
    evaluated(recipe="poor", share_right=0.25)
    (evaluated(recipe="damaged").resolve().path / "item_scores.parquet").write_bytes(b"damaged")
    return files_of(store)


def test_there_is_a_page_for_everything(files: dict[str, bytes]) -> None:
    folders = [path.split("/")[0] for path in files if path.endswith(".html")]

    assert folders.count("runs") == 3 + 1
    assert folders.count("compare") == 1 + 1
    assert sorted(path for path in files if path.startswith("datasets/")) == [
        "datasets/golden-v2.html",
        "datasets/index.html",
    ]
    assert {links.INDEX, links.STYLE, links.SCRIPT, links.ICON} <= files.keys()


def test_there_is_a_document_for_everything(files: dict[str, bytes]) -> None:
    documents = {path for path in files if path.startswith("api/")}

    assert len(documents) == 4 + 3 * 3 + 1
    assert {"api/index.json", "api/leaderboard.json", "api/pairs.json", "api/runs.json"} <= documents
    assert "api/datasets/golden-v2.json" in documents


def test_every_link_leads_to_a_file(files: dict[str, bytes]) -> None:
    for path, data in files.items():
        if path.endswith(".html"):
            for target in read_page(data.decode()).targets:
                assert is_internal(target)
                assert path_of(target, page=path) in files, (path, target)


def test_what_is_damaged_has_a_page_that_says_so_and_no_comparison(files: dict[str, bytes]) -> None:
    (path,) = (path for path in files if "damaged" in path and path.endswith(".html"))
    page = files[path].decode()

    assert "Something could not be read." in page
    assert "item_scores.parquet" in page
    assert "Comparisons" not in page


def test_a_store_without_anything_still_has_a_site(store: Store) -> None:
    files = files_of(store)

    assert b"No run has been evaluated yet." in files[links.INDEX]
    assert b"No dataset version is published yet." in files[links.DATASETS]
    assert b"No sweep has ended yet." in files[links.SWEEPS]
    assert [path for path in files if path.startswith("runs/")] == [links.RUNS]


def test_an_evaluation_set_of_the_catalog_has_a_card(store: Store, tmp_path: Path) -> None:
    (tmp_path / "pets.jsonl").write_bytes(msgspec.json.encode(EvaluationItem("cat", "A pet?", "yes")) + b"\n")
    recipe = EvaluationSetRecipe(description="Pets.", license="CC0-1.0", path="pets.jsonl")
    publish_evaluation_set(store, EvaluationEntry("pets-v1", recipe, tmp_path / "pets-v1.yaml"))

    files = files_of(store)

    assert b"A pet?" in files["evaluation-sets/pets-v1.html"]
    assert b'href="../evaluation-sets/pets-v1.html"' in files[links.DATASETS]
    assert b'"pets-v1":"api/evaluation-sets/pets-v1.json"' in files[links.API_INDEX]
    assert "api/evaluation-sets/pets-v1.json" in files


def test_a_sweep_has_a_page_and_a_document(store: Store, swept: Snapshot) -> None:
    files = files_of(store)

    (page,) = (path for path in files if path.startswith("sweeps/golden-v2.swept."))
    document = page.replace("sweeps/", "api/sweeps/").replace(".html", ".json")
    assert f'href="../{page}"'.encode() in files[links.SWEEPS]
    assert document.encode() in files[links.API_INDEX]
    assert len(json.loads(files[document])["trials"]) == 7


def test_a_pair_whose_settings_cannot_be_read_has_no_page(store: Store, evaluated: Evaluated) -> None:
    evaluated(recipe="best", share_right=1.0)
    poor = evaluated(recipe="poor", share_right=0.25)
    publish_leaderboard(store, required_checks=())
    results = read_results(store.slot("leaderboard", "all").resolve(), home=store.home)
    (store.run(poor.key).path / "config.json").write_text("{}")

    paths = [file.path for file in Site(store, results, published_sets(store, most_traces=5)).files()]

    assert [path for path in paths if path.startswith("compare/")] == [links.COMPARISONS]
    assert links.run_page(poor.key) in paths


def test_no_page_names_the_place_of_the_store(store: Store, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        assert str(store.home).encode() not in data, path


def test_runs_and_cards_link_to_each_other(files: dict[str, bytes]) -> None:
    (run,) = (path for path in files if path.startswith("runs/golden-v2.best."))

    assert b'href="../datasets/golden-v2.html"' in files[run]
    assert f'href="../{run}"'.encode() in files["datasets/golden-v2.html"]
