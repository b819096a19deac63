"""What an asset reads is audited, and a failure is told in one sentence."""

from pathlib import Path

import dagster as dg
import pytest

from asset_checks.catalog import blocking_checks
from tunix_assets.definitions import defs
from tunix_assets.inputs import clear_failures
from tunix_ml.audits import record_audit
from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import load_recipe
from tunix_ml.durable import LeaseHeld
from tunix_ml.store import Store


def materialize(asset: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("pipeline").execute_in_process(
        asset_selection=[dg.AssetKey(asset)], partition_key="golden-v1", raise_on_error=False
    )


def failure_of(result: dg.ExecuteInProcessResult, asset: str) -> str:
    failure = result.failure_data_for_node(asset)
    assert failure is not None
    return str(failure.user_failure_data.description if failure.user_failure_data else failure.error)


def test_an_input_that_was_never_made_is_named(home: Path) -> None:
    result = materialize("sft_export")

    assert failure_of(result, "sft_export") == "dataset of 'golden-v1' has not been materialized yet"


def test_an_input_that_no_check_has_seen_is_refused_in_a_later_run(home: Path) -> None:
    store = Store(home)
    build_dataset(store, load_recipe("golden-v1", home), report=print)

    result = materialize("sft_export")

    assert "has not been through the check" in failure_of(result, "sft_export")


def test_an_input_that_failed_a_blocking_check_is_refused_in_a_later_run(home: Path) -> None:
    materialize("dataset")
    store = Store(home)
    slot = store.slot("dataset", "golden-v1")
    name = blocking_checks("dataset")[0]
    record_audit(slot, slot.resolve().digest, check=name, passed=False, description="two ids are equal")

    result = materialize("sft_export")

    assert f"failed the check '{name}': two ids are equal" in failure_of(result, "sft_export")


def test_an_audited_input_is_used_in_a_later_run(home: Path) -> None:
    materialize("dataset")

    assert materialize("sft_export").success


def test_an_error_that_a_user_can_mend_becomes_its_own_sentence() -> None:
    with pytest.raises(dg.Failure) as raised, clear_failures():
        raise ContractError("batch_size 0 is below 1")

    assert raised.value.description == "batch_size 0 is below 1"
    assert raised.value.allow_retries is False


def test_an_error_that_nobody_foresaw_fails_at_once_and_keeps_its_trace() -> None:
    with pytest.raises(dg.Failure, match="ZeroDivisionError: of nothing") as raised, clear_failures():
        raise ZeroDivisionError("of nothing")

    assert raised.value.allow_retries is False
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_lease_that_another_holds_may_be_free_later() -> None:
    with pytest.raises(dg.Failure) as raised, clear_failures():
        raise LeaseHeld("held by another")

    assert raised.value.allow_retries is True


def test_a_network_that_does_not_answer_is_left_to_the_retry_policy() -> None:
    with pytest.raises(ConnectionResetError), clear_failures():
        raise ConnectionResetError
