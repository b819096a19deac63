"""The asset `judged_eval`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asset_checks.catalog import blocking_checks
from tunix_assets.assets.judged_eval import judged_eval
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_ml.audits import record_audit
from tunix_ml.evaluation.judges.predictions import judgements_slot, read_judgements
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.store import RunDirectory, Store

SET = "golden-v2.test"


@pytest.fixture
def run(
    store: Store, finished_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> RunDirectory:
    """A finished run whose predictions have passed their checks, in the store of the environment."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    finished = finished_run()
    slot = predictions_slot(finished, SET)
    for check in blocking_checks("predictions"):
        record_audit(slot, slot.resolve().digest, check=check, passed=True, description="as the test has it")
    return finished


def compare(prompt: str) -> str:
    """Reply whether the answer in the text is the expected one."""
    answer = prompt.partition("EXPECTED ANSWER\n| ")[2].partition("\n")[0]
    return "CORRECT" if f"<answer>{answer}</answer>" in prompt else "INCORRECT"


def judge(**config: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [judged_eval],
        partition_key="golden-v2",
        resources={"store": StoreResource(), "worker": WorkerResource()},
        run_config={"ops": {"judged_eval": {"config": config}}},
        raise_on_error=False,
    )


def test_every_text_of_the_run_is_judged(store: Store, run: RunDirectory, judge_endpoint: Any) -> None:
    judge_endpoint.reply = compare

    result = judge(judge="mine", url=judge_endpoint.url, model="judge-7b")

    (event,) = result.asset_materializations_for_node("judged_eval")
    metadata = {name: value.value for name, value in event.metadata.items()}
    found = read_judgements(judgements_slot(run, f"{SET}.mine"))
    assert found.meta.mean_score == 0.75
    assert metadata["content_digests"] == {f"{SET}.mine": found.snapshot.digest}
    assert metadata["content_digest"] == found.snapshot.digest
    assert (metadata["run_id"], metadata["judge"]) == (run.run_id, "mine")
    assert metadata["may_rank"] == "judge mine was never calibrated"
    assert f"| {SET} | 8 | 0.750 | 8 | 1.000 | 0.125 |" in str(metadata["judgements"])


def test_only_the_sets_asked_for_are_judged(run: RunDirectory, judge_endpoint: Any) -> None:
    settings = {"judge": "mine", "url": judge_endpoint.url, "model": "judge-7b"}

    named = judge(**settings, judged_sets=["test"])
    other = judge(**settings, judged_sets=["other"])

    assert named.success
    failure = other.failure_data_for_node("judged_eval")
    assert failure
    assert failure.user_failure_data
    assert failure.user_failure_data.description == (
        "there are no predictions for other, but: golden-v2.test"
    )


def test_without_a_judge_nothing_is_made_and_nothing_fails(run: RunDirectory, judge_endpoint: Any) -> None:
    result = judge()

    assert result.success
    assert result.asset_materializations_for_node("judged_eval") == []
    assert judge_endpoint.prompts == []


def test_predictions_that_were_never_checked_are_not_judged(
    store: Store,
    finished_run: Callable[..., RunDirectory],
    judge_endpoint: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    finished_run()

    result = judge(judge="mine", url=judge_endpoint.url, model="judge-7b")

    failure = result.failure_data_for_node("judged_eval")
    assert failure
    assert failure.user_failure_data
    assert "has not been through the check" in str(failure.user_failure_data.description)
    assert judge_endpoint.prompts == []


def test_an_empty_home_has_nothing_to_judge(home: Path) -> None:
    result = judge(judge="mine", url="http://127.0.0.1:1/v1", model="judge-7b")

    assert not result.success
