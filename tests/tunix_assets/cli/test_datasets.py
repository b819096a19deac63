import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tunix_assets.cli.__main__ import main
from tunix_ml.audits import record_audit
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

RECIPE = """
description: Sums.
license: MIT
source:
  kind: jsonl
  path: rows.jsonl
  format: mapped
  mapping:
    prompt: {field: q}
    final_answer: {field: a}
    steps: {field: a}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"q": f"{n}?", "a": str(n)}) + "\n" for n in range(3))
    )
    path = tmp_path / "sums-v1.yaml"
    path.write_text(RECIPE)
    return path


def run(store: Store, *words: str) -> int:
    return main(["--home", str(store.home), "datasets", *words])


def test_a_preview_of_a_recipe_file_prints_its_rows(
    store: Store, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(store, "preview", str(recipe))

    assert code == 0
    assert "   prompt: 2?" in capsys.readouterr().out
    assert not store.home.exists()


def test_a_preview_whose_build_would_be_refused_has_a_code_of_its_own(
    store: Store, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (recipe.parent / "rows.jsonl").open("a") as file:
        file.write('{"q": "3?"}\n')

    code = run(store, "preview", str(recipe), "--json", "--rows", "1")

    found = json.loads(capsys.readouterr().out)
    assert code == 3
    assert (found["num_kept"], found["num_rejected"], len(found["rows"])) == (3, 1, 1)
    assert found["rejects"][0]["line"] == 4


def test_a_version_of_the_catalog_is_previewed_by_its_name(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store, "preview", "golden-v2", "--records", "5", "--rejects", "1") == 0
    assert "5 records read and more not read" in capsys.readouterr().out


def test_the_list_says_what_is_built(
    store: Store, golden: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    run(store, "list")
    lines = capsys.readouterr().out.splitlines()
    run(store, "list", "--json")

    assert f"golden-v2         {golden.digest[:16]}  shipped" in lines
    assert "dev-reasoning-v1  not built         shipped" in lines
    assert json.loads(capsys.readouterr().out)["datasets"]["golden-v2"] == {
        "digest": golden.digest,
        "recipe": "shipped",
    }


def test_a_card_has_counts_sources_and_checks(
    store: Store, golden: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = store.slot("dataset", "golden-v2")
    record_audit(slot, golden.digest, check="ids_are_unique", passed=True, description="no problem found")
    record_audit(slot, golden.digest, check="splits_hold", passed=False, description="one does not")

    assert run(store, "show", "golden-v2") == 0
    text = capsys.readouterr().out
    run(store, "show", "golden-v2", "--json", "--content", golden.digest)

    assert "* Traces: 100 kept of 100 read" in text
    assert text.count("ids_are_unique") == 1
    assert "| splits_hold | failed | one does not |" in text
    found = json.loads(capsys.readouterr().out)
    assert found["manifest"]["trace_count"] == 100
    assert found["sources"][0]["name"] == "generator:golden"
    assert not found["checks"]["splits_hold"]["passed"]
    assert found["quality"] is None


def test_a_difference_is_shown_and_saved_when_asked(
    store: Store, golden: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(store, "diff", "golden-v2", "golden-v2")
    assert capsys.readouterr().out.splitlines() == [
        "golden-v2 (100 traces) -> golden-v2 (100 traces)",
        "  0 added, 0 removed, 0 changed, 0 moved, 100 unchanged",
    ]
    assert store.slot("dataset_difference", "golden-v2").pointer() is None

    saved = run(store, "diff", "golden-v2", "golden-v2", "--save", "--json")

    assert (code, saved) == (0, 0)
    assert json.loads(capsys.readouterr().out)["num_unchanged"] == 100
    assert store.slot("dataset_difference", "golden-v2").resolve()


def test_an_export_names_its_files(
    store: Store, golden: Snapshot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(store, "export", "golden-v2", str(tmp_path / "out"))

    assert code == 0
    assert "data/train-00000-of-00001.parquet  " in capsys.readouterr().out
    assert (tmp_path / "out" / "README.md").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["preview", "none-v1"], "no recipe none-v1.yaml"),
        (["preview", "none-v1.yaml"], "recipe none-v1.yaml cannot be read"),
        (["diff", "golden-v2", "golden-v2"], "has not been materialized"),
        (["export", "golden-v2", "."], "is there already"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr(
    store: Store, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(store, *words)

    output = capsys.readouterr()
    assert (code, output.out) == (1, "")
    assert output.err.startswith("tunix-rt: ")
    assert message in output.err


def test_the_command_runs_as_a_process_and_bears_a_reader_that_leaves(tmp_path: Path, recipe: Path) -> None:
    command = [sys.executable, "-m", "tunix_assets.cli", "--home", str(tmp_path / "home"), "datasets"]
    options: dict[str, Any] = {"capture_output": True, "text": True}

    done = subprocess.run([*command, "preview", str(recipe), "--rows", "1"], check=False, **options)
    script = f"{' '.join(command)} preview golden-v2 --rows 100 | head -1; exit ${{PIPESTATUS[0]}}"
    cut = subprocess.run(["bash", "-c", script], check=False, **options)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1. train")
    assert (cut.returncode, cut.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["show", "golden-v3"],
        ["diff", "golden-v3", "golden-v2"],
        ["export", "golden-v3", "out"],
        ["lineage", "--trace", "0f3c", "--version", "golden-v3"],
    ],
)
def test_an_unknown_version_is_told_with_those_there_are(
    store: Store, golden: Snapshot, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(store, *words) == 1
    told = capsys.readouterr().err
    assert "there is no dataset version 'golden-v3', did you mean golden-v" in told
    assert "There are: arithmetic-v1, dev-reasoning-v1, golden-v1, golden-v2, gsm8k-v1\n" in told


def test_a_version_of_the_catalog_that_is_not_built_says_so(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store, "show", "golden-v1") == 1
    assert "dataset of 'golden-v1' has not been materialized yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"),
    [("mine.yaml", "'mine' is not of the form"), ("mine-v1.jsonl", "`datasets add` takes a file of traces")],
)
def test_what_no_recipe_can_be_called_is_not_previewed(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    (tmp_path / name).write_text("description: x\n")

    assert run(store, "preview", str(tmp_path / name)) == 1
    assert told in capsys.readouterr().err
