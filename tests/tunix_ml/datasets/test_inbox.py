import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.canonical import file_sha256
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import dataset_versions, load_recipe
from tunix_ml.datasets.inbox import Accepted, SetAside, take_file, unbuilt_versions, waiting_files
from tunix_ml.datasets.read import Dataset
from tunix_ml.exports.render import read_export
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

STEPS = [{"i": 0, "type": "calculate", "content": "2 + 3 = 5."}]


def record(number: int) -> dict[str, Any]:
    trace = {"trace_version": "1.0", "prompt": f"Question {number}?", "final_answer": "5"}
    return {**trace, "steps": STEPS, "meta": None}


def drop(home: Path, name: str, content: bytes | None = None) -> Path:
    lines = b"".join(json.dumps(record(n)).encode() + b"\n" for n in range(20))
    path = home / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines if content is None else content)
    return path


def refuse(path: Path, home: Path) -> str:
    outcome = take_file(path, home)
    assert isinstance(outcome, SetAside)
    return outcome.reason


# Waiting


def test_without_an_inbox_nothing_waits(tmp_path: Path) -> None:
    assert waiting_files(tmp_path) == []


def test_files_wait_by_name_but_not_those_still_being_written(tmp_path: Path) -> None:
    for name in ("b-v1.jsonl", "a-v1.jsonl", ".hidden-v1.jsonl", "c-v1.jsonl.part", "d-v1.jsonl.tmp"):
        drop(tmp_path, name)
    (tmp_path / "inbox" / "rejected").mkdir()

    assert [path.name for path in waiting_files(tmp_path)] == ["a-v1.jsonl", "b-v1.jsonl"]


# Accepting


def test_a_good_file_becomes_a_dataset_version_that_builds(store: Store) -> None:
    path = drop(store.home, "mine-v1.jsonl")
    sha256 = file_sha256(path)

    assert take_file(path, store.home) == Accepted("mine-v1.jsonl", "mine-v1", sha256)
    manifest = Dataset(
        build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)
    ).manifest
    assert (manifest.trace_count, manifest.sources[0].sha256) == (20, sha256)
    assert waiting_files(store.home) == []


@pytest.mark.parametrize("killed_before", ["os.replace", "Path.unlink"])
def test_a_file_whose_taking_was_killed_is_taken_at_the_next_look(
    store: Store, monkeypatch: pytest.MonkeyPatch, killed_before: str
) -> None:
    path = drop(store.home, "mine-v1.jsonl")
    target = {"os.replace": (os, "replace"), "Path.unlink": (Path, "unlink")}[killed_before]
    with monkeypatch.context() as patch:
        patch.setattr(*target, _killed)
        with pytest.raises(KeyboardInterrupt):
            take_file(path, store.home)

    taken = take_file(path, store.home)

    assert isinstance(taken, Accepted)
    assert waiting_files(store.home) == []
    build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)


def _killed(*arguments: object, **more: object) -> None:
    raise KeyboardInterrupt


def test_a_packed_file_is_taken_as_it_is(store: Store) -> None:
    packed = gzip.compress(b"".join(json.dumps(record(n)).encode() + b"\n" for n in range(20)))

    take_file(drop(store.home, "mine-v1.jsonl.gz", packed), store.home)

    assert (store.home / "sources" / "mine-v1" / "mine-v1.jsonl.gz").read_bytes() == packed
    assert build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)


@pytest.mark.parametrize("export_format", ["trace", "tunix_sft"])
def test_our_own_exports_are_recognised(store: Store, exported: Snapshot, export_format: Any) -> None:
    files = [exported.file(f"{export_format}.{split}.jsonl") for split in SPLITS]
    content = b"".join(file.read_bytes() for file in files)

    outcome = take_file(drop(store.home, "back-v1.jsonl", content), store.home)

    assert isinstance(outcome, Accepted), outcome
    built = build_dataset(store, load_recipe("back-v1", store.home), report=lambda line: None)
    ids = [line["id"] for split in SPLITS for line in read_export(exported, export_format, split)]
    assert list(Dataset(built).manifest.trace_ids) == ids


def test_the_same_file_again_leaves_an_edited_recipe_alone(store: Store) -> None:
    take_file(drop(store.home, "mine-v1.jsonl"), store.home)
    recipe = store.home / "recipes" / "mine-v1.yaml"
    recipe.write_text(recipe.read_text().replace("NOASSERTION", "MIT"))

    take_file(drop(store.home, "mine-v1.jsonl"), store.home)

    assert load_recipe("mine-v1", store.home).recipe.license == "MIT"


def test_what_was_taken_waits_for_its_build_until_it_is_published(store: Store) -> None:
    taken = take_file(drop(store.home, "mine-v1.jsonl"), store.home)
    before = unbuilt_versions(store)

    build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)

    assert before == [taken]
    assert unbuilt_versions(store) == []


# Setting aside


def test_too_few_traces_for_three_splits_are_set_aside(store: Store) -> None:
    one = json.dumps(record(1)).encode()

    assert "its 1 traces leave the split" in refuse(drop(store.home, "mine-v1.jsonl", one), store.home)


def test_an_earlier_rejected_file_of_the_same_name_is_kept(store: Store) -> None:
    refuse(drop(store.home, "mine-v1.jsonl", b"{first"), store.home)
    refuse(drop(store.home, "mine-v1.jsonl", b"{second"), store.home)

    rejected = store.home / "inbox" / "rejected"
    assert (rejected / "mine-v1.jsonl").read_bytes() == b"{first"
    assert (rejected / "1.mine-v1.jsonl").read_bytes() == b"{second"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.txt", "notes.txt does not end in .jsonl or .jsonl.gz"),
        ("mine.jsonl", "dataset version 'mine' is not of the form <name>-v<number>"),
        ("Mine-v1.jsonl", "dataset version 'Mine-v1' is not of the form"),
        ("a b-v1.jsonl", "dataset version 'a b-v1' is not of the form"),
        ("golden-v2.jsonl", "golden-v2 is in the catalog already, and a version never changes"),
    ],
)
def test_a_name_that_cannot_be_a_new_version_is_set_aside(tmp_path: Path, name: str, reason: str) -> None:
    path = drop(tmp_path, name)
    content = path.read_bytes()

    assert refuse(path, tmp_path).startswith(reason)
    rejected = tmp_path / "inbox" / "rejected"
    assert (rejected / name).read_bytes() == content
    assert (rejected / f"{name}.reason.txt").read_text().startswith(reason)
    assert waiting_files(tmp_path) == []


def test_a_version_is_taken_once(tmp_path: Path) -> None:
    take_file(drop(tmp_path, "mine-v1.jsonl"), tmp_path)

    reason = refuse(drop(tmp_path, "mine-v1.jsonl.gz"), tmp_path)

    assert "drop the file under the next version's name" in reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "mine-v1.jsonl holds no trace"),
        (b"\n  \n", "mine-v1.jsonl holds no trace"),
        (b"{broken\n", "mine-v1.jsonl has 1 lines that are no trace:\n  mine-v1.jsonl line 1: invalid_json"),
        (
            json.dumps(record(1)).encode() + b"\n[1]\n",
            "has 1 lines that are no trace:\n  mine-v1.jsonl line 2",
        ),
        (json.dumps({**record(1), "steps": []}).encode() + b"\n", "mine-v1.jsonl is a trace; line 1: "),
        (b'{"q": 1}\n' * 3, "none of the 3 lines of mine-v1.jsonl is a trace; line 1: "),
    ],
)
def test_a_file_that_is_no_dataset_is_set_aside_naming_the_lines(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    found = refuse(drop(tmp_path, "mine-v1.jsonl", content), tmp_path)

    assert reason in found
    assert "mine-v1" not in dataset_versions(tmp_path)


def test_a_broken_archive_is_set_aside(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps(record(1)).encode() * 50)[:-10]

    assert "mine-v1.jsonl.gz" in refuse(drop(tmp_path, "mine-v1.jsonl.gz", packed), tmp_path)


def test_a_file_that_was_set_aside_can_be_mended_and_dropped_again(tmp_path: Path) -> None:
    refuse(drop(tmp_path, "mine-v1.jsonl", b"{broken\n"), tmp_path)

    assert isinstance(take_file(drop(tmp_path, "mine-v1.jsonl"), tmp_path), Accepted)
