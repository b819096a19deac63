import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.training import MetricsRow
from tunix_ml.registry.pages import api
from tunix_ml.registry.pages.boards import Board, Results
from tunix_ml.registry.pages.evaluations import Evaluation
from tunix_ml.registry.pages.lineage import Link
from tunix_ml.registry.pages.run_files import RunFiles
from tunix_ml.snapshot import Snapshot

Make = Callable[..., Any]


@pytest.fixture
def results(make_row: Make, make_board: Make, made_from: Any, tmp_path: Path) -> Results:
    """A leaderboard of one row."""
    board: Board = make_board(make_row(inputs='{"model": "2"}'))
    pair = {"run_a": "one", "run_b": "two", "p_holm": 0.5}
    return Results(Snapshot(tmp_path, made_from), (board,), [pair], {"broken": "is missing"})


def metrics(step: int) -> MetricsRow:
    return MetricsRow(
        step=step, loss=1.0, learning_rate=1.0, grad_norm=1.0, tokens_per_second=1.0, step_time_s=1.0
    )


def test_the_leaderboard_has_every_row_and_what_could_not_be_read(results: Results) -> None:
    document = api.leaderboard_document(results)

    (row,) = document["rows"]
    assert (row["run_id"], row["inputs"]) == ("golden-v2.tiny.0123456789", {"model": "2"})
    assert document["unreadable"] == {"broken": "is missing"}
    assert (document["schema_version"], document["leaderboard_digest"]) == (1, "a" * 64)


def test_pairs_have_a_document_of_their_own(results: Results) -> None:
    assert api.pairs_document(results)["pairs"] == results.pairs


def test_the_index_names_every_other_document(results: Results) -> None:
    index = api.index_document(results, datasets=["golden-v2"], evaluation_sets=["pets-v1"])

    assert index["runs"] == {
        "golden-v2.tiny.0123456789": {
            name: f"api/runs/golden-v2.tiny.0123456789/{name}.json" for name in ("run", "metrics", "items")
        }
    }
    assert index["datasets"] == {"golden-v2": "api/datasets/golden-v2.json"}
    assert index["evaluation_sets"] == {"pets-v1": "api/evaluation-sets/pets-v1.json"}


def test_a_run_has_its_reports_and_what_they_rest_on(make_row: Make, make_report: Make) -> None:
    evaluation = Evaluation(row=make_row(), report=make_report(), problems=("a file is missing",))
    chain = [Link(label="model", name="x", digest="2" * 64)]

    document = api.run_document(RunFiles(run_id="x", problems=("so so",)), [evaluation], [chain])

    (found,) = document["evaluations"]
    assert found["report"]["primary_score"] == 0.75
    assert found["lineage"] == [{"label": "model", "name": "x", "digest": "2" * 64}]
    assert (found["status"], found["rank"], found["problems"]) == ("valid", 1, ["a file is missing"])
    assert (document["identity"], document["problems"]) == (None, ["so so"])


def test_metrics_of_very_many_steps_are_thinned_and_counted() -> None:
    document = api.metrics_document("x", [metrics(step) for step in range(1, 5_001)])

    steps = [row["step"] for row in document["rows"]]
    assert len(steps) <= api.MOST_METRICS + 1
    assert (steps[0], steps[-1]) == (1, 5_000)
    assert document["num_left_out"] == 5_000 - len(steps)
    assert api.metrics_document("x", [])["rows"] == []


def test_items_are_rows_under_their_columns(make_row: Make, make_score: Make) -> None:
    evaluation = Evaluation(row=make_row(), scores=(make_score("a"), make_score("b", None, text=None)))

    document = api.items_document("x", [evaluation])

    (found,) = document["evaluations"]
    assert [dict(zip(document["columns"], row, strict=True)) for row in found["rows"]] == [
        {
            "item_id": "a",
            "sample_index": 0,
            "status": "scored",
            "score": 1.0,
            "expected": "5",
            "extracted": "5",
            "text": "2 + 3 = 5",
        },
        {
            "item_id": "b",
            "sample_index": 0,
            "status": "scored",
            "score": None,
            "expected": "5",
            "extracted": "6",
            "text": None,
        },
    ]
    assert (found["num_rows"], found["num_left_out"], found["num_texts_cut_or_left_out"]) == (2, 0, 0)


def test_a_run_of_long_texts_stays_within_its_bounds(make_row: Make, make_score: Make) -> None:
    scores = tuple(make_score(f"{n}", text="x" * 50_000, expected="e" * 9_000) for n in range(6_000))

    document = api.items_document("x", [Evaluation(row=make_row(), scores=scores)])

    (found,) = document["evaluations"]
    texts = [row[-1] for row in found["rows"]]
    assert (len(texts), found["num_left_out"]) == (5_000, 1_000)
    assert sum(len(text or "") for text in texts) == api.MOST_TEXT_CHARS_OF_A_RUN
    assert found["num_texts_cut_or_left_out"] == 5_000
    assert len(found["rows"][0][4]) == 200


def test_json_keeps_every_text_and_refuses_what_is_no_number() -> None:
    hostile = "</script>\x00\u202e\ud800 שלום"

    data = api.to_json({"text": hostile})

    assert json.loads(data) == {"text": hostile}
    with pytest.raises(ValueError, match="not JSON compliant"):
        api.to_json({"score": float("nan")})
