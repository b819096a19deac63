from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks import run_comparison
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.comparison import CompareConfig
from tunix_ml.evaluation.comparison.publish import ASSET, KEY, publish_comparison
from tunix_ml.evaluation.report import evaluate, predictions_slot
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

EditJson = Callable[..., Callable[[Path], None]]


def compare(store: Store, run_a: str, run_b: str) -> Subject:
    config = CompareConfig(run_a=run_a, run_b=run_b)
    snapshot = publish_comparison(store, config, required_checks=())
    return Subject(store, KEY, store.slot(ASSET, KEY), snapshot)


@pytest.fixture
def subject(store: Store, evaluated: Callable[..., Slot]) -> Subject:
    """The comparison of a good run with a poor one."""
    good, poor = evaluated(recipe="good", share_right=0.75), evaluated(recipe="poor", share_right=0.25)
    return compare(store, good.key, poor.key)


@pytest.mark.parametrize("check", run_comparison.CHECKS, ids=lambda check: check.name)
def test_a_sound_comparison_passes_every_check(subject: Subject, check: Check) -> None:
    outcome = check.function(subject)

    assert outcome.passed, outcome.description
    assert outcome.facts["n"] == 8


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"evaluation_set_digest": "0" * 64}, "evaluation_set_digest"),
        ({"metric": "format_valid"}, "primary_metric"),
        ({"n_items": 9}, "n_items"),
    ],
)
def test_a_comparison_of_other_items_is_found(
    subject: Subject,
    tampered: Callable[..., Subject],
    edit_json: EditJson,
    changes: dict[str, Any],
    found: str,
) -> None:
    outcome = run_comparison.both_were_asked_the_same_items(
        tampered(subject.slot, edit_json("comparison.json", **changes))
    )

    assert not outcome.passed
    assert f"has {found} " in outcome.description


def test_a_run_with_items_missing_is_found(
    store: Store,
    finished_run: Callable[..., RunDirectory],
    evaluated: Callable[..., Slot],
    tampered: Callable[..., Subject],
) -> None:
    whole, run = evaluated(recipe="whole"), finished_run(recipe="partial")

    def drop_one(folder: Path) -> None:
        lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "predictions.jsonl").write_bytes(b"".join(lines[1:]))

    tampered(predictions_slot(run, "golden-v2.test"), drop_one)
    evaluate(store, run.run_id, "golden-v2.test")

    outcome = run_comparison.both_were_asked_the_same_items(compare(store, whole.key, run.run_id))

    assert not outcome.passed
    assert f"{run.run_id} has no score for 1 items" in outcome.description


@pytest.mark.parametrize("changes", [{"wins_a": 5}, {"ties": 0}, {"items": []}])
def test_numbers_that_do_not_follow_from_the_items_are_found(
    subject: Subject, tampered: Callable[..., Subject], edit_json: EditJson, changes: dict[str, Any]
) -> None:
    outcome = run_comparison.differences_follow_from_the_items(
        tampered(subject.slot, edit_json("comparison.json", **changes))
    )

    assert not outcome.passed
    assert "the items give" in outcome.description


def test_another_difference_is_found(
    subject: Subject, tampered: Callable[..., Subject], edit_json: EditJson
) -> None:
    import json

    document = json.loads(subject.snapshot.file("comparison.json").read_bytes())
    item = {**document["items"][0], "score_a": 0.25}
    changes = {
        "result": {**document["result"], "difference": 0.9},
        "run_a": {**document["run_a"], "mean": 0.9},
        "items": [item, *document["items"][1:]],
    }

    outcome = run_comparison.differences_follow_from_the_items(
        tampered(subject.slot, edit_json("comparison.json", **changes))
    )

    assert "mean_a is 0.9" in outcome.description
    assert "difference is 0.9" in outcome.description
    assert "is said to have 0.25" in outcome.description
