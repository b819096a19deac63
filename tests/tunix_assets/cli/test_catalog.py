from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.datasets.catalog import dataset_versions
from tunix_ml.store import RunDirectory, Store

GOLDEN = Path(__file__).parents[3] / "data" / "golden-v1.jsonl"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine-v1.jsonl"
    path.write_bytes(GOLDEN.read_bytes())
    return path


def test_a_file_is_added_and_how_to_build_it_is_said(
    store: Store, mine: Path, command: Callable[..., Any]
) -> None:
    answer = command("datasets", "add", str(mine))

    assert answer.code == 0
    assert "mine-v1 is in the catalog: " in answer.out
    assert "--partition mine-v1" in answer.out
    assert "mine-v1" in dataset_versions(store.home)


def test_a_file_that_is_no_dataset_is_refused_in_one_sentence(
    tmp_path: Path, command: Callable[..., Any]
) -> None:
    (tmp_path / "mine-v1.jsonl").write_text("{}\n")

    answer = command("datasets", "add", str(tmp_path / "mine-v1.jsonl"))

    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("tunix-rt: none of the 1 lines of mine-v1.jsonl is a trace")
    assert answer.err.count("\n") == 1


def test_a_version_is_removed_only_when_somebody_agrees(
    store: Store, mine: Path, command: Callable[..., Any]
) -> None:
    command("datasets", "add", str(mine))

    refused = command("datasets", "remove", "mine-v1", "--json")
    removed = command("datasets", "remove", "mine-v1", "--yes", "--json")

    assert (refused.code, refused.record["is_removed"]) == (1, False)
    assert (removed.code, removed.record["is_removed"]) == (0, True)
    assert "mine-v1" not in dataset_versions(store.home)


def test_a_version_in_use_is_not_removed_and_its_users_are_named(
    finished_run: Callable[..., RunDirectory], command: Callable[..., Any]
) -> None:
    run_id = finished_run().run_id

    answer = command("datasets", "remove", "golden-v2", "--yes")

    assert answer.code == 1
    assert f"run {run_id}" in answer.err
