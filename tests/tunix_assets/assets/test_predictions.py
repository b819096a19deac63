"""The asset `predictions`."""

from typing import Any

from tunix_ml.evaluation.report import predictions_slot, read_predictions


def test_each_held_out_question_is_asked_once(pipeline: Any) -> None:
    metadata = pipeline.metadata("predictions")
    run = pipeline.store.run(str(metadata["run_id"]))

    written = read_predictions(predictions_slot(run, "golden-v1.test"))

    assert metadata["items"] == len(written.rows) == len({row.item_id for row in written.rows})
    assert metadata["cut_at_max_new_tokens"] == written.meta.num_length_stops
    assert written.meta.model_digest == pipeline.metadata("checkpoint")["model_digest"]
