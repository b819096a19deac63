"""The asset `judged_report`."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from asset_checks.catalog import blocking_checks
from tunix_assets.assets.judged_eval import judged_eval
from tunix_assets.assets.judged_report import judged_report
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_ml.audits import record_audit
from tunix_ml.evaluation.judges.predictions import judgements_slot
from tunix_ml.evaluation.report import eval_slot, predictions_slot, read_eval
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

SET = "golden-v2.test"


def pass_checks(slot: Slot, asset: str) -> None:
    for check in blocking_checks(asset):
        record_audit(slot, slot.resolve().digest, check=check, passed=True, description="as the test has it")


@pytest.fixture
def run(
    store: Store, finished_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> RunDirectory:
    """A finished run whose predictions have passed their checks, in the store of the environment."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    finished = finished_run()
    pass_checks(predictions_slot(finished, SET), "predictions")
    return finished


def materialize(asset: dg.AssetsDefinition, **config: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset],
        partition_key="golden-v2",
        resources={"store": StoreResource(), "worker": WorkerResource()},
        run_config={"ops": {asset.key.to_user_string(): {"config": config}}} if config else None,
        raise_on_error=False,
    )


def test_the_verdicts_become_a_report_of_their_own(run: RunDirectory, judge_endpoint: Any) -> None:
    judge_endpoint.reply = lambda prompt: "CORRECT"
    materialize(judged_eval, judge="mine", url=judge_endpoint.url, model="judge-7b")
    pass_checks(judgements_slot(run, f"{SET}.mine"), "judged_eval")

    result = materialize(judged_report)

    (event,) = result.asset_materializations_for_node("judged_report")
    report = read_eval(eval_slot(run, SET, "judge:mine"))
    assert (report.primary_score, report.scorer) == (1.0, "judge:mine")
    assert f"| {SET}.mine | 1.0 | 8 |" in str(event.metadata["scores"].value)


def test_verdicts_that_were_not_checked_give_no_report(run: RunDirectory, judge_endpoint: Any) -> None:
    materialize(judged_eval, judge="mine", url=judge_endpoint.url, model="judge-7b")

    failure = materialize(judged_report).failure_data_for_node("judged_report")

    assert failure is not None
    assert "has not been through the check" in str(failure.user_failure_data)
