"""The asset `dataset`."""

from pathlib import Path
from typing import Any

import dagster as dg

from tunix_assets.assets.dataset import dataset
from tunix_assets.definitions import defs
from tunix_assets.resources import StoreResource
from tunix_ml.datasets.read import read_dataset


def build(version: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("build_dataset").execute_in_process(
        partition_key=version, raise_on_error=False
    )


def test_its_metadata_counts_the_traces_and_names_the_content(pipeline: Any) -> None:
    published = read_dataset(pipeline.store, "golden-v1")

    metadata = pipeline.metadata("dataset")

    assert metadata["traces"] == published.table.num_rows
    assert metadata["rejected"] == 0
    assert metadata["content_digest"] == published.snapshot.digest


def test_a_broken_source_fails_it_and_names_the_lines(home: Path) -> None:
    recipes = home / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "lines.jsonl").write_bytes(b'{"prompt": "one"}\nnot json\n')
    (recipes / "broken-v1.yaml").write_text(
        "{description: broken, license: CC0-1.0, source: {kind: jsonl, path: lines.jsonl}}"
    )

    result = build("broken-v1")

    failure = result.failure_data_for_node("dataset")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "2 of 2 records rejected" in str(failure.user_failure_data.description)
    assert "lines.jsonl line 2: invalid_json" in str(failure.user_failure_data.description)


def test_an_empty_source_fails_it_in_a_sentence(home: Path) -> None:
    recipes = home / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "lines.jsonl").write_bytes(b"\n")
    (recipes / "empty-v1.yaml").write_text(
        "{description: empty, license: CC0-1.0, source: {kind: jsonl, path: lines.jsonl}}"
    )

    failure = build("empty-v1").failure_data_for_node("dataset")

    assert failure is not None
    assert failure.user_failure_data is not None
    assert "empty-v1 is empty" in str(failure.user_failure_data.description)


def test_a_second_build_of_the_same_version_adopts_the_first(home: Path) -> None:
    first, second = (build("golden-v1").asset_materializations_for_node("dataset")[0] for _ in range(2))

    assert first.metadata["path"] == second.metadata["path"]


def test_a_version_that_extends_another_shows_what_changed(home: Path) -> None:
    recipes = home / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "more-v1.yaml").write_text(
        "{description: more, license: CC0-1.0, source: {kind: versions, strategy: latest, limit: 60,"
        " parts: [{version: golden-v2}]}}"
    )
    for version in ("golden-v2", "more-v1"):
        result = dg.materialize([dataset], partition_key=version, resources={"store": StoreResource()})

    (event,) = result.asset_materializations_for_node("dataset")
    assert (event.metadata["removed_rows"].value, event.metadata["added_rows"].value) == (40, 0)
    assert "golden-v2" in str(event.metadata["parent"].value)
