import shutil
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from asset_checks.outcome import Subject
from asset_checks.subject import (
    ONLY,
    Context,
    Materialized,
    combined_digest,
    content_metadata,
    current_run,
    materialized_here,
    resolve_subjects,
)
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.evaluation.report import evaluate
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import RunDirectory, Store

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

    def materialize(look: Look, *, key: str = KEY, **published: dict[str, Any]) -> Any:
        seen: list[object] = []
        assets = [_asset(name, metadata) for name, metadata in published.items()]

        @dg.asset(deps=list(published), partitions_def=PARTITIONS)
        def onlooker(context: dg.AssetExecutionContext) -> None:
            seen.append(look(context))

        dg.materialize([*assets, onlooker], partition_key=key, instance=instance)
        (found,) = seen
        return found

    return materialize


def _asset(name: str, metadata: dict[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=PARTITIONS)
    def publish() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=metadata)

    return publish


def publish(slot: Slot, text: str) -> Snapshot:
    with slot.publish() as draft:
        (draft.path / "file.txt").write_text(text)
    return draft.snapshot


def the_subject(context: Context, store: Store, asset: str) -> Subject:
    (subject,) = resolve_subjects(context, store, asset, KEY)
    return subject


# What this Dagster run has materialized


def test_a_run_knows_what_it_has_published_itself(look: Callable[..., Any]) -> None:
    metadata = {"content_digest": "a" * 64, "run_id": "golden-v2.tiny.0123456789"}

    found = look(lambda context: materialized_here(context, "checkpoint", KEY), checkpoint=metadata)

    assert found == Materialized({ONLY: "a" * 64}, "golden-v2.tiny.0123456789")


def test_a_run_knows_the_content_of_each_evaluation_set(look: Callable[..., Any]) -> None:
    digests = {"golden-v2.test": "a" * 64, "eval-v1": "b" * 64}

    found = look(
        lambda context: materialized_here(context, "predictions", KEY), predictions=content_metadata(digests)
    )

    assert found == Materialized(digests, None)


def test_contents_have_one_digest_together() -> None:
    digests = {"golden-v2.test": "a" * 64, "eval-v1": "b" * 64}

    assert combined_digest({"eval-v1": "b" * 64}) == "b" * 64
    assert combined_digest(digests) == record_digest(digests)
    assert content_metadata(digests)["content_digest"] == combined_digest(digests)


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
        lambda context: the_subject(context, store, "dataset"),
        dataset={"content_digest": mine.digest},
    )
    any_other = look(lambda context: the_subject(context, store, "dataset"))

    assert (own.snapshot, own.dataset_version, own.slot) == (mine, KEY, slot)
    assert any_other.snapshot == latest


def test_what_was_never_published_cannot_be_meant(store: Store, look: Callable[..., Any]) -> None:
    def complain(context: dg.AssetExecutionContext) -> str:
        with pytest.raises(NotPublished) as refused:
            the_subject(context, store, "dataset")
        return str(refused.value)

    assert look(complain) == "dataset of 'golden-v2' has not been materialized yet"


def test_predictions_are_those_of_the_run_that_the_checkpoint_holds(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    finished_run(recipe="earlier")
    run = finished_run(recipe="later")

    found = look(lambda context: the_subject(context, store, "predictions"))

    assert current_run(store, KEY).run_id == run.run_id
    assert (found.slot, found.evaluation_set) == (run.slot("predictions/golden-v2.test"), "golden-v2.test")


def test_a_run_directory_without_predictions_has_none_to_be_meant(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    shutil.rmtree(finished_run().path / "predictions")

    def complain(context: dg.AssetExecutionContext) -> str:
        with pytest.raises(NotPublished) as refused:
            resolve_subjects(context, store, "predictions", KEY)
        return str(refused.value)

    assert look(complain) == "predictions of 'golden-v2' has not been materialized yet"


@pytest.mark.parametrize("upstream", ["checkpoint", "predictions"])
def test_a_run_goes_on_with_its_own_run_directory(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any], upstream: str
) -> None:
    mine = finished_run(recipe="mine")
    evaluate(store, mine.run_id, "golden-v2.test")
    finished_run(recipe="of-another-run-later")

    found = look(
        lambda context: the_subject(context, store, "eval_report"),
        **{upstream: {**content_metadata({"golden-v2.test": "a" * 64}), "run_id": mine.run_id}},
    )

    assert found.slot == mine.slot("eval/golden-v2.test")


def test_without_a_checkpoint_there_is_no_current_run(store: Store) -> None:
    with pytest.raises(NotPublished, match="checkpoint of 'golden-v2' has not been materialized yet"):
        current_run(store, KEY)


def test_content_that_is_gone_cannot_be_meant(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    metadata = {**content_metadata({"eval-v1": "a" * 64}), "run_id": finished_run().run_id}

    def complain(context: dg.AssetExecutionContext) -> str:
        with pytest.raises(NotPublished) as refused:
            resolve_subjects(context, store, "predictions", KEY)
        return str(refused.value)

    found = look(complain, predictions=metadata)

    assert found == "predictions of 'eval-v1' is not published, or no longer"


# Assets of several contents


def names(context: Context, store: Store, asset: str, *, key: str = KEY) -> dict[str, Slot]:
    return {subject.evaluation_set: subject.slot for subject in resolve_subjects(context, store, asset, key)}


def test_outside_of_a_materialization_all_sets_that_the_run_was_asked_are_meant(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    run = finished_run()
    slots = {name: run.slot(f"predictions/{name}") for name in ("eval-v1", "golden-v2.test")}
    publish(slots["eval-v1"], "answers")

    assert look(lambda context: names(context, store, "predictions")) == slots


def test_what_a_sweep_has_asked_on_its_way_is_not_meant(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    run = finished_run()
    publish(run.slot("predictions/golden-v2.validation"), "answers")

    found = look(lambda context: names(context, store, "predictions"))

    assert list(found) == ["golden-v2.test"]


def test_a_run_that_asked_one_set_means_that_one_alone(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    run = finished_run()
    mine = publish(run.slot("predictions/eval-v1"), "answers")
    metadata = {**content_metadata({"eval-v1": mine.digest}), "run_id": run.run_id}

    found = look(lambda context: the_subject(context, store, "predictions"), predictions=metadata)

    assert (found.evaluation_set, found.snapshot) == ("eval-v1", mine)


def test_reports_by_a_judge_are_not_those_of_the_scorer(
    store: Store, finished_run: Callable[..., RunDirectory], look: Callable[..., Any]
) -> None:
    run = finished_run()
    evaluate(store, run.run_id, "golden-v2.test")
    publish(run.slot("eval/golden-v2.test.a-judge"), "verdicts")

    assert list(look(lambda context: names(context, store, "eval_report"))) == ["golden-v2.test"]


def test_every_published_evaluation_set_is_meant(store: Store, look: Callable[..., Any]) -> None:
    slots = {name: store.slot("evaluation_set", name) for name in ("eval-v1", "eval-v2")}
    published = {name: publish(slot, name) for name, slot in slots.items()}
    later = publish(slots["eval-v1"], "of another run, later")

    found = look(lambda context: resolve_subjects(context, store, "evaluation_sets", "all"))

    assert {subject.evaluation_set: subject.snapshot for subject in found} == {
        "eval-v1": later,
        "eval-v2": published["eval-v2"],
    }


def test_a_run_that_published_no_evaluation_set_means_none(store: Store, look: Callable[..., Any]) -> None:
    publish(store.slot("evaluation_set", "eval-v1"), "of another run")

    found = look(
        lambda context: names(context, store, "evaluation_sets"), evaluation_sets=content_metadata({})
    )

    assert found == {}
