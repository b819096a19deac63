"""The asset `eval_report`."""

from typing import Any

from tunix_ml.evaluation.report import eval_slot, read_eval

SETS = ("golden-v1.test", "eval-v1")


def test_its_metadata_is_the_score_with_its_number_of_items(pipeline: Any) -> None:
    metadata = pipeline.metadata("eval_report")

    assert 0 <= float(str(metadata["primary_score"])) <= 1
    assert metadata["items"] == metadata["scored"] == pipeline.metadata("predictions")["items"]
    assert "answer_correctness" in str(metadata["metrics"])


def test_every_metric_of_the_own_test_questions_is_shown(pipeline: Any) -> None:
    metadata = pipeline.metadata("eval_report")
    run = pipeline.store.run(str(metadata["run_id"]))

    own = read_eval(eval_slot(run, "golden-v1.test"))

    assert all(f"| golden-v1.test | {metric} |" in str(metadata["metrics"]) for metric in own.metrics)
    assert str(metadata["path"]).endswith(eval_slot(run, "golden-v1.test").resolve().path.name)


def test_every_set_that_was_asked_has_a_report(pipeline: Any) -> None:
    metadata = pipeline.metadata("eval_report")
    run = pipeline.store.run(str(metadata["run_id"]))

    reports = {name: read_eval(eval_slot(run, name)) for name in SETS}

    assert reports["eval-v1"].n_items == 25
    assert metadata["primary_score"] == reports["golden-v1.test"].primary_score
    assert metadata["primary_score/eval-v1"] == reports["eval-v1"].primary_score
    assert metadata["content_digests"] == {name: eval_slot(run, name).resolve().digest for name in SETS}


def test_the_scorer_was_tried_on_known_texts_of_each_set(pipeline: Any) -> None:
    check = pipeline.check("eval_report", "scorer_self_test_passes")

    assert check.passed
    assert {check.metadata[f"{name}/gold_mean"].value for name in SETS} == {1.0}
