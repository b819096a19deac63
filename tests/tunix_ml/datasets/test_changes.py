"""Changes of recipes and of the files that they read."""

import os
from pathlib import Path

import pytest
import yaml

from tunix_ml.datasets.changes import Look, look_again


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose catalog has one recipe, of one file."""
    monkeypatch.setenv("TUNIX_CATALOG", str(tmp_path / "catalog"))
    home = tmp_path / "home"
    (home / "recipes").mkdir(parents=True)
    (home / "rows").mkdir()
    (home / "rows" / "a.jsonl").write_text("{}\n")
    write_recipe(home, path="../rows/a.jsonl")
    return home


def write_recipe(home: Path, *, name: str = "mine-v1", path: str, description: str = "mine") -> None:
    source = {"kind": "jsonl", "path": path}
    recipe = {"description": description, "license": "MIT", "source": source}
    (home / "recipes" / f"{name}.yaml").write_text(yaml.safe_dump(recipe))


def looks(home: Path, before: Look, times: int = 2) -> tuple[Look, list[str]]:
    """Look several times, and return what was told."""
    told: list[str] = []
    for _ in range(times):
        before, changes = look_again(home, before)
        told += [change.key for change in changes]
    return before, told


def test_what_is_seen_for_the_first_time_is_no_change(home: Path) -> None:
    look, told = looks(home, Look())

    assert told == []
    assert list(look.versions) == ["mine-v1"]
    assert {Path(path).name for path in look.versions["mine-v1"].files} == {"mine-v1.yaml", "a.jsonl"}


def test_a_changed_recipe_is_told_once_and_only_when_it_has_come_to_rest(home: Path) -> None:
    before, _ = looks(home, Look())
    write_recipe(home, path="../rows/a.jsonl", description="mended")

    first, told_first = looks(home, before, times=1)
    second, told = looks(home, first, times=1)

    assert told_first == []
    assert [key.split(":")[:2] for key in told] == [["mine-v1", "1"]]
    assert looks(home, second)[1] == []


def test_a_change_that_is_undone_and_made_again_is_told_each_time(home: Path) -> None:
    before, _ = looks(home, Look())
    keys = []
    for description in ("mended", "mine", "mended"):
        write_recipe(home, path="../rows/a.jsonl", description=description)
        before, told = looks(home, before)
        keys += told

    assert len(set(keys)) == 3


def test_a_file_that_the_recipe_reads_counts(home: Path) -> None:
    before, _ = looks(home, Look())
    (home / "rows" / "a.jsonl").write_text("{}\n{}\n")

    assert len(looks(home, before)[1]) == 1


def test_other_bytes_of_the_same_size_count_and_another_time_alone_does_not(home: Path) -> None:
    before, _ = looks(home, Look())
    os.utime(home / "rows" / "a.jsonl", ns=(1, 1))
    before, told = looks(home, before)
    assert told == []

    (home / "rows" / "a.jsonl").write_text("[]\n")

    assert len(looks(home, before)[1]) == 1


@pytest.mark.parametrize("path", ["../rows", "../rows/*.jsonl"])
def test_files_still_being_written_are_not_seen(home: Path, path: str) -> None:
    write_recipe(home, path=path)
    before, _ = looks(home, Look())
    for name in (".hidden.jsonl", "b.jsonl.tmp", "b.jsonl.part"):
        (home / "rows" / name).write_text("{}\n")
    before, told = looks(home, before)
    assert told == []

    (home / "rows" / "b.jsonl").write_text("{}\n")

    assert len(looks(home, before)[1]) == 1


def test_a_broken_recipe_is_a_change_and_holds_up_no_other(home: Path) -> None:
    write_recipe(home, name="other-v1", path="../rows/a.jsonl")
    before, _ = looks(home, Look())
    (home / "recipes" / "mine-v1.yaml").write_text("source: [")
    write_recipe(home, name="other-v1", path="../rows/a.jsonl", description="mended")

    _, told = looks(home, before)

    assert sorted(key.split(":")[0] for key in told) == ["mine-v1", "other-v1"]


@pytest.mark.parametrize("path", ["${TUNIX_NOT_SET}/a.jsonl", "../rows/none.jsonl", "../rows/none/*.jsonl"])
def test_a_source_that_is_not_there_leaves_the_recipe(home: Path, path: str) -> None:
    write_recipe(home, path=path)

    look, _ = looks(home, Look())

    assert {Path(name).name for name in look.versions["mine-v1"].files} == {"mine-v1.yaml"}


def test_new_rows_of_a_mixture_count(home: Path) -> None:
    parts = [{"version": "golden-v2"}, {"rows": {"kind": "jsonl", "path": "../rows/a.jsonl"}}]
    recipe = {"description": "x", "license": "MIT", "source": {"kind": "versions", "parts": parts}}
    (home / "recipes" / "mix-v1.yaml").write_text(yaml.safe_dump(recipe))

    look, _ = looks(home, Look())

    assert {Path(name).name for name in look.versions["mix-v1"].files} == {"mix-v1.yaml", "a.jsonl"}


def test_a_look_comes_back_from_its_text(home: Path) -> None:
    look, _ = looks(home, Look())

    assert Look.parse(look.to_json(), subject="cursor") == look


def test_a_file_that_vanishes_while_it_is_looked_at_is_not_seen(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr("tunix_ml.datasets.changes.file_sha256", gone)

    assert look_again(home, Look())[0].versions["mine-v1"].files == {}
