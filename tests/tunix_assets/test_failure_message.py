"""What a failed run is about."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from tunix_assets.failure_message import Failure, failure_of, is_timed_out


@dg.asset
def broken() -> None:
    raise dg.Failure(description="the recipe is not YAML", allow_retries=False)


@dg.asset
def raising() -> None:
    raise KeyError("answer")


@dg.asset
def fine() -> int:
    return 1


@dg.asset_check(asset=fine, blocking=True)
def is_large() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="1 is not large")


@dg.asset
def after(fine: int) -> None:
    pass


def fail(*definitions: Any, message: str | None = None, **tags: str) -> Failure:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(list(definitions), instance=instance, raise_on_error=False, tags=tags)
        assert not result.success
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        return failure_of(instance, run, message)


def planned(instance: dg.DagsterInstance) -> dg.DagsterRun:
    job = dg.Definitions(assets=[fine]).resolve_implicit_global_asset_job_def()
    return instance.create_run_for_job(job)


def test_a_failed_asset_is_named_with_its_own_sentence() -> None:
    failure = fail(broken, **{"dagster/partition": "mine-v1"})

    assert (failure.asset, failure.partition, failure.cause) == (
        "broken",
        "mine-v1",
        "the recipe is not YAML",
    )
    assert failure.next_step == "mend that and materialize broken again"
    assert failure.sentence().startswith("broken of mine-v1 failed: the recipe is not YAML\nnext: mend")


def test_an_error_that_nobody_foresaw_is_told_too() -> None:
    assert "answer" in fail(raising).cause


def test_a_failed_check_is_the_cause_and_its_asset_the_subject() -> None:
    failure = fail(fine, is_large, after)

    assert (failure.asset, failure.cause) == ("fine", "check is_large: 1 is not large")
    assert "stays as it was" in failure.next_step


def test_a_gate_that_failed_is_told_as_the_check_that_it_is() -> None:
    @dg.asset_check(asset=fine)
    def has_not_regressed() -> Iterator[dg.AssetCheckResult]:
        yield dg.AssetCheckResult(passed=False)
        raise dg.Failure(description="has_not_regressed: 0.1 is below 0.2", allow_retries=False)

    failure = fail(fine, has_not_regressed)

    assert (failure.asset, failure.check) == ("fine", "has_not_regressed")
    assert failure.cause == "has_not_regressed: 0.1 is below 0.2"
    assert failure.next_step == "see check has_not_regressed of fine"


def test_a_run_that_will_start_again_needs_nothing() -> None:
    assert fail(broken, **{"dagster/will_retry": "true"}).next_step.startswith("nothing")


@pytest.mark.parametrize(
    ("message", "cause"), [("exit code -9", "exit code -9"), (None, "its process is gone")]
)
def test_a_run_without_a_failed_step_has_the_message_of_its_end(message: str | None, cause: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = planned(instance)

        failure = failure_of(instance, run, message)

    assert (failure.asset, failure.cause) == (None, cause)
    assert failure.next_step == "start the run again: finished work is kept"
    assert failure.sentence("timed_out").startswith("the run timed out: ")


def test_a_long_cause_is_cut() -> None:
    @dg.asset
    def wordy() -> None:
        raise dg.Failure(description="x" * 10_000)

    assert len(fail(wordy).cause) < 2_010


def test_a_run_that_the_daemon_ended_for_its_time_is_told_from_one_that_was_cancelled() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = planned(instance)
        assert not is_timed_out(instance, run, "cancelled by hand")
        assert is_timed_out(instance, run, "Exceeded maximum runtime of 5 seconds.")

        instance.report_run_canceling(run, message="Canceling due to exceeding maximum runtime of 5 seconds.")

        assert is_timed_out(instance, run, None)
