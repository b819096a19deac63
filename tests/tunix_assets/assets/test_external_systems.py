"""The asset `external_systems`."""

import json
from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.store import Store

RECIPE = """
description: One system.
license: MIT
path: answers.jsonl
evaluation_set: eval-v1
item_id: {field: id}
answer: {kind: hashes}
systems: {one: {text: {field: text}}}
"""


def materialize() -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("external").execute_in_process(raise_on_error=False)


def write_recipe(home: Path, text: str = RECIPE) -> None:
    folder = home / "recipes" / "systems"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(text)
    shipped = Path(__file__).parents[3] / "data" / "evaluation" / "eval-v1.jsonl"
    items = [json.loads(line) for line in shipped.read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({"id": item["item_id"], "text": f"#### {item['final_answer']}"}) for item in items]
    (folder / "answers.jsonl").write_text("\n".join(lines) + "\n")


def test_predictions_made_elsewhere_become_a_checked_and_ranked_row(home: Path) -> None:
    write_recipe(home)

    result = materialize()

    (event,) = result.asset_materializations_for_node("external_systems")
    assert result.success
    assert "| one | eval-v1 | answers | 1.000 |" in str(event.metadata["systems"].value)
    (row,) = collect_leaderboard(Store(home), required_checks=("scorer_self_test_passes",)).rows
    assert (row["rank"], row["model"], row["primary_score"], row["status"]) == (1, "one", 1.0, "valid")


def test_a_recipe_without_its_folder_is_left_out_and_said(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GSM8K_DIR", raising=False)

    result = materialize()

    (event,) = result.asset_materializations_for_node("external_systems")
    assert result.success
    assert "gsm8k-2021" in str(event.metadata["not_available"].value)


def test_a_broken_recipe_is_named_and_keeps_no_other_from_being_ranked(home: Path) -> None:
    write_recipe(home)
    (home / "recipes/systems/a-broken.yaml").write_text("license: MIT")

    result = materialize()

    (event,) = result.asset_materializations_for_node("external_systems")
    checks = {found.check_name: found for found in result.get_asset_check_evaluations()}
    assert result.success
    assert "a-broken" in str(event.metadata["refused"].value)
    assert not checks["every_recipe_was_read"].passed
    (row,) = collect_leaderboard(Store(home), required_checks=("scorer_self_test_passes",)).rows
    assert row["rank"] == 1
