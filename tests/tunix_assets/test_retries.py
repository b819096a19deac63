"""What is tried again."""

from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.errors import DagsterPipesExecutionError

from tunix_assets.definitions import defs
from tunix_assets.retries import RETRIES, may_pass
from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.durable import LeaseHeld
from tunix_ml.slot import StaleGeneration, VersionConflict


@pytest.mark.parametrize(
    "error",
    [
        LeaseHeld("held"),
        StaleGeneration("moved"),
        DagsterPipesExecutionError("code -9"),
        ConnectionResetError("gone"),
        TimeoutError("late"),
        httpx.ConnectError("no answer"),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        TunixError("x"),
        ContractError("x"),
        VersionConflict("x"),
        KeyError("x"),
        MemoryError(),
        OSError("full"),
    ],
)
def test_what_would_fail_again_is_not(error: Exception) -> None:
    assert not may_pass(error)


def test_every_asset_waits_longer_each_time() -> None:
    policies: dict[str, Any] = {
        asset.key.to_user_string(): asset.op.retry_policy
        for asset in defs.assets or []
        if isinstance(asset, dg.AssetsDefinition)
    }

    assert set(policies.values()) == {RETRIES}
    assert (RETRIES.max_retries, RETRIES.backoff) == (3, dg.Backoff.EXPONENTIAL)
