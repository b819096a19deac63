from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asset_checks.subject import (
    Materialized,
    asset_slot,
    current_run,
    materialized_here,
    resolve_subject,
)
from tunix_ml.evaluation.report import evaluate
from tunix_ml.store import NotPublished, RunDirectory, Slot, Snapshot, Store

KEY = "golden-v2"
PARTITIONS = dg.StaticPartitionsDefinition([KEY, "golden-v1"])
Look = Callable[[dg.AssetExecutionContext], object]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def look(instance: dg.DagsterInstance) -> Callable[..., Any]:
    """A function that materializes assets with some metadata, then looks from an asset in the same run."""

    def materialize(look: Look, *, key: str = KEY, **published: dict[str, str]) -> Any:
        seen: list[object] = []
        assets = [_asset(name, metadata) for name, metadata in published.items()]

        @dg.asset(deps=list(published), partitions_def=PARTITIONS)
        def onlooker(context: dg.AssetExecutionContext) -> None:
            seen.append(look(context))

        dg.materialize([*assets, onlooker], partition_key=key, instance=instance)
        (found,) = seen
        return found

    return materialize


def _asset(name: str, metadata: dict[str, str]) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=PARTITIONS)
    def publish() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=metadata)

    return publish


def publish(slot: Slot, text: str) -> Snapshot:
    with slot.publish() as draft:
        (draft.path / "file.txt").write_text(text)
    return draft.snapshot


# What this Dagster run has materialized


def test_a_run_knows_what_it_has_published_itself(look: Callable[..., Any]) -> None:
    metadata = {"content_digest": "a" * 64, "run_id": "golden-v2.tiny.0123456789"}

    found = look(lambda context: materialized_here(context, "checkpoint", KEY), checkpoint=metadata)

    assert found == Materialized("a" * 64, "golden-v2.tiny.0123456789")


def test_a_run_knows_nothing_of_other_assets_keys_and_runs(look: Callable[..., Any]) -> None:
    published = {"content_digest": "a" * 64}

    def others(context: dg.AssetExecutionContext) -> list[object]:
        asked = [("other", KEY), ("dataset", "golden-v1"), ("dataset", "all")]
        return [materialized_here(context, asset, key) for asset, key in asked]

    assert look(others, dataset=published) == [None, None, None]
    assert look(lambda context: materialized_here(context, "dataset", KEY)) is None


# Which content is meant


def test_a_run_goes_on_with_its_own_content_and_not_the_latest(
    store: Store, look: Callable[..., Any]
) -> None:
    slot = store.slot("dataset", KEY)
    mine, latest = publish(slot, "mine"), publish(slot, "of another run, later")

    own = look(
        lambda context: resolve_subject(context, store, "dataset", KEY),
        dataset={"content_digest": mine.digest},
    )
    any_other = look(lambda context: resolve_subject(context, store, "dataset", KEY))

    assert (own.snapshot, own.dataset_version, own.slot) == (mine, KEY, slot)
    assert any_other.snapshot == latest


def test_what_was_never_published_cannot_be_meant(store: Store, look: Callable[..., Any]) -> None:
    def complain(context: dg.AssetExecutionContext) -> str:
        with pytest.raises(NotPublished) as refused:
            resolve_subject(context, store, "dataset", KEY)
        return str(refused.value)

    assert look(complain) == "dataset of 'golden-v2' has not been materialized yet"


def test_predictions_are_those_of_the_run_that_the_checkpoint_holds(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    finished_run(recipe="earlier")
    run = finished_run(recipe="later")

    found = look(lambda context: resolve_subject(context, store, "predictions", KEY))

    assert current_run(store, KEY).run_id == run.run_id
    assert found.slot == run.slot("predictions/golden-v2.test")


@pytest.mark.parametrize("upstream", ["checkpoint", "predictions"])
def test_a_run_goes_on_with_its_own_run_directory(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any], upstream: str
) -> None:
    mine = finished_run(recipe="mine")
    evaluate(store, mine.run_id, "golden-v2.test")
    finished_run(recipe="of-another-run-later")

    found = look(
        lambda context: resolve_subject(context, store, "eval_report", KEY),
        **{upstream: {"content_digest": "a" * 64, "run_id": mine.run_id}},
    )

    assert found.slot == mine.slot("eval/golden-v2.test")


def test_without_a_checkpoint_there_is_no_current_run(store: Store) -> None:
    with pytest.raises(NotPublished, match="checkpoint of 'golden-v2' has not been materialized yet"):
        current_run(store, KEY)


# Slots


def test_each_asset_has_its_place(store: Store, tmp_path: Path) -> None:
    run = store.run("golden-v2.tiny.0123456789")

    assert asset_slot(store, "dataset", KEY) == store.slot("dataset", KEY)
    assert asset_slot(store, "leaderboard", "all") == store.slot("leaderboard", "all")
    assert asset_slot(store, "predictions", KEY, run=run) == run.slot("predictions/golden-v2.test")
    assert asset_slot(store, "eval_report", KEY, run=run) == run.slot("eval/golden-v2.test")
