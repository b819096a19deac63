"""The asset `eval_report`."""

from typing import Any


def test_its_metadata_is_the_score_with_its_number_of_items(pipeline: Any) -> None:
    metadata = pipeline.metadata("eval_report")

    assert 0 <= float(str(metadata["primary_score"])) <= 1
    assert metadata["items"] == metadata["scored"] == pipeline.metadata("predictions")["items"]
    assert "answer_correctness" in str(metadata["metrics"])


def test_the_scorer_was_tried_on_known_texts(pipeline: Any) -> None:
    check = pipeline.check("eval_report", "scorer_self_test_passes")

    assert check.passed
    assert check.metadata["gold_mean"].value == 1.0
