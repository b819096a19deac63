"""The asset `leaderboard`."""

from pathlib import Path
from typing import Any

from tunix_ml.registry.leaderboard import read_leaderboard


def test_the_run_is_ranked_with_its_score_and_interval(pipeline: Any) -> None:
    board = read_leaderboard(pipeline.store.slot("leaderboard", "all").resolve())
    rows = {row["evaluation_set"]: row for row in board}
    row = rows["golden-v1.test"]

    assert len(board) == 2
    assert rows["eval-v1"]["primary_score"] == pipeline.metadata("eval_report")["primary_score/eval-v1"]
    assert row["rank"] == 1
    assert row["run_id"] == pipeline.metadata("checkpoint")["run_id"]
    assert row["primary_score"] == pipeline.metadata("eval_report")["primary_score"]
    assert row["ci95_low"] <= row["primary_score"] <= row["ci95_high"]


def test_its_metadata_shows_the_table_and_leads_to_it(pipeline: Any) -> None:
    metadata = pipeline.metadata("leaderboard")

    assert "smoke" in str(metadata["leaderboard"])
    assert metadata["rows"] == 2
    assert Path(str(metadata["page"])).read_text(encoding="utf-8").startswith("# Leaderboard")
