from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from asset_checks.outcome import Subject
from asset_checks.sweep import (
    CHECKS,
    best_recipe_makes_the_best_run,
    best_trial_is_best,
    metrics_are_those_of_the_runs,
    only_complete_trials_have_a_metric,
    reruns_agree_with_the_best,
    swept_fields_make_other_runs,
)
from tunix_ml.contracts.base import ContractError
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.tuning.trials import read_trials

EditTable = Callable[..., Callable[[Path], None]]


@pytest.fixture
def tamper(
    store: Store, swept: Snapshot, tampered: Callable[..., Subject], edit_table: EditTable
) -> Callable[..., Subject]:
    """A function that publishes the sweep again with changed rows of its trial table."""
    return lambda change: tampered(store.slot("sweep", "golden-v2"), edit_table("trials.parquet", change))


@pytest.fixture
def subject(store: Store, swept: Snapshot, subject_of: Callable[..., Subject]) -> Subject:
    return subject_of(store.slot("sweep", "golden-v2"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_sound_sweep_passes(subject: Subject, check: Any) -> None:
    outcome = check.function(subject)

    assert outcome.passed, outcome.description


def test_a_failed_trial_with_a_metric_is_refused(tamper: Callable[..., Subject]) -> None:
    with pytest.raises(ContractError, match=r"trial 4 is failed with metric 0\.0"):
        only_complete_trials_have_a_metric(tamper(lambda rows: rows[4].update(metric=0.0)))


def test_a_trial_that_still_runs_is_found(tamper: Callable[..., Subject]) -> None:
    outcome = only_complete_trials_have_a_metric(tamper(lambda rows: rows[0].update(status="running")))

    assert not outcome.passed
    assert outcome.description == "trials: trial 0 is still running"


def test_a_metric_that_is_not_the_runs_is_found(tamper: Callable[..., Subject]) -> None:
    outcome = metrics_are_those_of_the_runs(tamper(lambda rows: rows[1].update(metric=1.3)))

    assert outcome.description == "metrics: trial 1 has metric 1.3, its run 1.5"


def test_a_model_that_is_not_the_runs_is_found(tamper: Callable[..., Subject]) -> None:
    outcome = metrics_are_those_of_the_runs(tamper(lambda rows: rows[1].update(model_digest="f" * 64)))

    assert outcome.description == "metrics: trial 1 has another model than its run"


def test_a_metric_whose_run_is_gone_is_found(store: Store, swept: Snapshot, subject: Subject) -> None:
    (store.run(read_trials(swept)[1].run_id).path / "checkpoint.json").unlink()

    outcome = metrics_are_those_of_the_runs(subject)

    assert not outcome.passed
    assert "has not come to step 20" in outcome.description


def test_a_better_trial_than_the_best_is_found(tamper: Callable[..., Subject]) -> None:
    outcome = best_trial_is_best(tamper(lambda rows: rows[1].update(metric=1.3)))

    assert not outcome.passed
    assert outcome.description == "the report names trial 2, the table 1"


def test_a_table_without_a_complete_trial_has_no_best(tamper: Callable[..., Subject]) -> None:
    def prune(rows: list[dict[str, Any]]) -> None:
        for row in rows[:4]:
            row.update(status="pruned", metric=None)

    outcome = best_trial_is_best(tamper(prune))

    assert outcome.description == "the report names trial 2, the table none"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"values": '{"learning_rate":0.5,"optimizer":"adamw"}'},
            "trial 0 has learning_rate 0.5, its run 0.001",
        ),
        ({"values": '{"learning_rate":0.001}'}, "trial 0 changes ['learning_rate']"),
        ({"fingerprint": "f" * 64}, "trial 0 has another fingerprint than its run"),
    ],
)
def test_a_trial_that_is_not_its_run_is_found(
    tamper: Callable[..., Subject], change: dict[str, str], sentence: str
) -> None:
    outcome = swept_fields_make_other_runs(tamper(lambda rows: rows[0].update(change)))

    assert not outcome.passed
    assert sentence in outcome.description


def test_two_trials_of_one_run_are_found(tamper: Callable[..., Subject]) -> None:
    outcome = swept_fields_make_other_runs(
        tamper(lambda rows: rows[4].update(fingerprint=rows[1]["fingerprint"]))
    )

    assert outcome.description == "swept fields: 5 trials are 4 runs"


def test_a_recipe_of_another_run_is_found(
    store: Store, swept: Snapshot, tampered: Callable[..., Subject]
) -> None:
    def edit(folder: Path) -> None:
        config = yaml.safe_load((folder / "best.yaml").read_text())
        config["ops"]["checkpoint"]["config"]["learning_rate"] = 0.5
        (folder / "best.yaml").write_text(yaml.safe_dump(config))

    outcome = best_recipe_makes_the_best_run(tampered(store.slot("sweep", "golden-v2"), edit))

    assert not outcome.passed


def test_a_best_metric_that_was_luck_is_warned_of(
    store: Store, swept: Snapshot, tampered: Callable[..., Subject], edit_json: Callable[..., Any]
) -> None:
    edit = edit_json("sweep.json", rerun_mean=2.0, rerun_stdev=0.1)

    outcome = reruns_agree_with_the_best(tampered(store.slot("sweep", "golden-v2"), edit))

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description == "best 1.4000, over 2 seeds 2.0000 ± 0.1000"


def test_one_rerun_is_nothing_to_judge_by(
    store: Store, swept: Snapshot, tampered: Callable[..., Subject], edit_json: Callable[..., Any]
) -> None:
    edit = edit_json("sweep.json", rerun_stdev=None)

    outcome = reruns_agree_with_the_best(tampered(store.slot("sweep", "golden-v2"), edit))

    assert outcome.passed
