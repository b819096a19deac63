import math
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import Objective
from tunix_ml.evaluation.report import eval_slot, read_eval
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished
from tunix_ml.store import RunDirectory, Store
from tunix_ml.tuning.measure import NotMeasured, last_record, measure

LOSS = Objective("validation_loss", is_minimised=True)
SCORE = Objective("answer_correctness", is_minimised=False)
ASKED = "golden-v2.test"


def test_a_validation_loss_is_that_of_the_step_in_the_metrics(
    finished_run: Callable[..., RunDirectory],
) -> None:
    run = finished_run()

    found = measure(run, LOSS, step=20, evaluation_set=None)

    record = last_record(run)
    assert record
    assert (found.step, found.value, found.eval_digest) == (20, 1.5, None)
    assert found.model_digest == record.model_digest


def test_a_run_that_was_further_is_measured_where_it_was_evaluated_next(
    finished_run: Callable[..., RunDirectory],
) -> None:
    assert measure(finished_run(), LOSS, step=10, evaluation_set=None)[:2] == (20, 1.5)


def test_a_run_that_has_not_come_so_far_has_no_metric(
    store: Store, finished_run: Callable[..., RunDirectory]
) -> None:
    with pytest.raises(NotMeasured, match=r"has not come to step 21"):
        measure(finished_run(), LOSS, step=21, evaluation_set=None)
    with pytest.raises(NotMeasured, match=r"golden-v2\.none\.0 has not come to step 1"):
        measure(store.run("golden-v2.none.0"), LOSS, step=1, evaluation_set=None)


def test_a_run_without_a_validation_loss_has_no_metric(finished_run: Callable[..., RunDirectory]) -> None:
    run = finished_run()
    (run.path / "metrics.jsonl").write_bytes(b"")

    with pytest.raises(NotMeasured, match="has no validation loss from step 20 on"):
        measure(run, LOSS, step=20, evaluation_set=None)


def test_a_metric_of_an_evaluation_is_the_mean_of_its_report(
    store: Store, evaluated: Callable[..., Slot]
) -> None:
    slot = evaluated(share_right=0.75)

    found = measure(store.run(slot.key), SCORE, step=20, evaluation_set=ASKED)

    assert math.isclose(found.value, read_eval(slot).metrics["answer_correctness"].mean)
    assert found.eval_digest == slot.resolve().digest
    with pytest.raises(ContractError, match="answer_correctness needs an evaluation set"):
        measure(store.run(slot.key), SCORE, step=20, evaluation_set=None)


def test_a_run_that_was_not_asked_has_no_report(finished_run: Callable[..., RunDirectory]) -> None:
    with pytest.raises(NotPublished):
        measure(finished_run(), SCORE, step=20, evaluation_set=ASKED)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inputs": {"model": "0" * 64}}, "is of another model than"),
        ({"n_scored": 1, "coverage": 0.1}, "items have a score"),
        ({"metrics": {}}, "items have a score"),
    ],
)
def test_a_report_that_cannot_be_compared_is_no_metric(
    store: Store, evaluated: Callable[..., Slot], change: dict[str, Any], sentence: str
) -> None:
    slot = evaluated()
    report = read_eval(slot).model_copy(update=change)
    with eval_slot(store.run(slot.key), ASKED).publish() as draft:
        (draft.path / "eval.json").write_bytes(report.to_json())

    with pytest.raises(NotMeasured, match=sentence):
        measure(store.run(slot.key), SCORE, step=20, evaluation_set=ASKED)
