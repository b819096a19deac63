"""The asset `evaluation_sets`."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_ml.datasets.evaluation_set import load_evaluation_set, published_evaluation_sets
from tunix_ml.store import Store


def materialize() -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("train_and_evaluate").execute_in_process(
        asset_selection=[dg.AssetKey("evaluation_sets")], partition_key="golden-v1", raise_on_error=False
    )


def write_set(home: Path, name: str, lines: str) -> None:
    folder = home / "recipes" / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(f"{{description: Mine., license: CC0-1.0, path: {name}.jsonl}}")
    (folder / f"{name}.jsonl").write_text(lines)


def test_the_shipped_sets_are_published_and_checked_on_the_way(pipeline: Any) -> None:
    metadata = pipeline.metadata("evaluation_sets")

    published = published_evaluation_sets(pipeline.store)
    assert {"eval-v1", "eval-v2"} <= set(published)
    assert metadata["content_digests"] == {name: slot.resolve().digest for name, slot in published.items()}
    assert "| eval-v2 | 100 | core, edge_case, trace_sensitive |" in str(metadata["sets"])
    assert pipeline.check("evaluation_sets", "items_keep_their_contract").passed


def test_a_set_of_the_users_own_is_published_beside_them(home: Path) -> None:
    write_set(home, "mine-v1", '{"item_id": "a", "prompt": "Why?", "final_answer": "so"}\n')

    assert materialize().success
    assert [item.prompt for item in load_evaluation_set(Store(home), "mine-v1").items] == ["Why?"]


def test_a_set_without_its_folder_is_left_out_and_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GSM8K_DIR", raising=False)

    result = materialize()

    (event,) = result.asset_materializations_for_node("evaluation_sets")
    assert result.success
    assert "gsm8k-test-v1" in str(event.metadata["not_available"].value)
    assert "gsm8k-test-v1" not in published_evaluation_sets(Store(home))


def test_a_broken_set_fails_it_by_name_after_the_others_are_published(home: Path) -> None:
    write_set(home, "a-broken-v1", '{"item_id": "a"}\n')

    failure = materialize().failure_data_for_node("evaluation_sets")

    assert failure is not None
    assert failure.user_failure_data is not None
    reason = str(failure.user_failure_data.description)
    assert reason.startswith("a-broken-v1: ")
    assert "a-broken-v1.jsonl line 1: Object missing required field `prompt`" in reason
    assert {"eval-v1", "eval-v2"} <= set(published_evaluation_sets(Store(home)))
