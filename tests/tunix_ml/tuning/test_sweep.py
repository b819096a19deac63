from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import SweepReport, Trial
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.durable import LeaseHeld
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.training.metrics import read_metrics
from tunix_ml.tuning.best import train_of
from tunix_ml.tuning.sweep import SweepJob, SweepUnfinished
from tunix_ml.tuning.trials import TrialTable, read_trials

MakeJob = Callable[..., SweepJob]
Drive = Callable[..., Snapshot]


def losses_of(store: Store, trial: Trial) -> dict[int, float | None]:
    rows = read_metrics(store.run(trial.run_id).path / "metrics.jsonl")
    return {row.step: row.validation_loss for row in rows}


@pytest.mark.slow
def test_trials_are_trained_rung_by_rung_and_the_best_recipe_is_published(
    sums: Store, make_job: MakeJob, drive: Drive
) -> None:
    job = make_job(first_rung_steps=2, reduction_factor=3, num_trials=4, seeds=[0, 7])

    snapshot = drive(job)

    report = SweepReport.read(snapshot.file("sweep.json"))
    trials = read_trials(snapshot)
    search = [trial for trial in trials if trial.kind == "search"]
    assert report.rungs == [2, 6]
    assert report.status_counts == {"complete": 1, "pruned": 3}
    assert all(trial.rungs[0].value == losses_of(sums, trial)[2] for trial in search)
    kept = min(search, key=lambda trial: trial.rungs[0].value)
    assert report.best == kept.number
    assert report.best_metric == kept.metric == losses_of(sums, kept)[6]
    reruns = [trial for trial in trials if trial.kind == "rerun"]
    assert [trial.seed for trial in reruns] == report.rerun_seeds == [0, 7]
    assert reruns[0].run_id == kept.run_id
    assert report.rerun_mean == sum(trial.metric or 0 for trial in reruns) / 2
    identity = RunIdentity.read(sums.run(kept.run_id).path / "config.json")
    made = identity.model_copy(update={"train": train_of(report.best_config)})
    assert made.fingerprint() == kept.fingerprint == report.best_fingerprint
    rates = [row.learning_rate for row in read_metrics(sums.run(kept.run_id).path / "metrics.jsonl")]
    assert len(rates) == 6
    assert max(rates) == pytest.approx(kept.values["learning_rate"])  # no rung has bent the schedule
    assert drive(job).digest == snapshot.digest


@pytest.mark.slow
def test_a_failed_trial_has_its_reason_no_metric_and_no_rank(make_job: MakeJob, drive: Drive) -> None:
    snapshot = drive(make_job(space={"num_heads": {"choice": [1, 2, 3]}}))

    report = SweepReport.read(snapshot.file("sweep.json"))
    failed = [trial for trial in read_trials(snapshot) if trial.status == "failed"]
    assert [(trial.values, trial.metric) for trial in failed] == [({"num_heads": 3}, None)]
    assert failed[0].reason == "num_heads 3 does not divide hidden_size 16"
    assert report.status_counts == {"complete": 2, "failed": 1}
    assert report.best != failed[0].number


@pytest.mark.slow
@pytest.mark.nightly
def test_a_space_that_is_exhausted_ends_the_sweep(make_job: MakeJob, drive: Drive) -> None:
    lines: list[str] = []

    snapshot = drive(make_job(space={"optimizer": {"choice": ["adamw", "lion"]}}, num_trials=5), lines)

    report = SweepReport.read(snapshot.file("sweep.json"))
    assert report.ended_by == "space"
    assert report.status_counts == {"complete": 2}
    assert report.importance_note.startswith("2 trials are too few")


@pytest.mark.slow
@pytest.mark.nightly
def test_a_metric_of_an_evaluation_is_that_of_its_report(
    sums: Store, make_job: MakeJob, drive: Drive
) -> None:
    spec = {"metric": "gold_nats_per_token", "max_new_tokens": 4, "max_items": 3, "num_trials": 2}

    snapshot = drive(make_job(**spec))

    report = SweepReport.read(snapshot.file("sweep.json"))
    trials = read_trials(snapshot)
    assert report.evaluation_set == "sums-v1.validation"
    assert report.is_minimised
    assert all(trial.eval_digest and trial.metric for trial in trials)
    for trial in trials:
        found = sums.run(trial.run_id).slot("eval/sums-v1.validation").resolve(trial.eval_digest)
        assert found.record.parents["model"] == trial.model_digest


def test_a_sweep_whose_trials_all_fail_says_why(make_job: MakeJob, drive: Drive, sums: Store) -> None:
    job = make_job(space={"num_heads": {"choice": [3, 5]}}, num_trials=2)

    with pytest.raises(
        SweepUnfinished, match=r"all 2 trials of sums-v1.swept.\w+ failed, the first one: num"
    ):
        drive(job)

    assert sums.slot("sweep", "sums-v1").pointer() is None


def test_too_short_a_budget_ends_in_time_and_says_so(make_job: MakeJob, drive: Drive) -> None:
    with pytest.raises(SweepUnfinished, match=r"0.05 minutes were too short for .* none is complete"):
        drive(make_job(budget_minutes=0.05))


@pytest.mark.slow
def test_what_was_running_when_the_driver_died_goes_on(sums: Store, make_job: MakeJob, drive: Drive) -> None:
    job, lines = make_job(first_rung_steps=2, reduction_factor=2, num_trials=2), list[str]()
    drive(job)
    table = TrialTable(sums, job.identity)
    table.load(retry_failed=False)
    (best,) = [trial for trial in table.search if trial.status == "complete"]
    table.change({best.number: {"status": "running", "metric": None, "rungs": best.rungs[:1], "step": 2}})
    (sums.run(best.run_id).path / "checkpoint.json").unlink()

    snapshot = drive(job, lines)

    again = read_trials(snapshot)[best.number]
    assert again.model_copy(update={"train_time_s": best.train_time_s}) == best
    assert any("was interrupted in 1 trials" in line for line in lines)


@pytest.mark.slow
@pytest.mark.nightly
def test_trials_that_failed_are_tried_again_if_that_is_asked_for(
    sums: Store, make_job: MakeJob, drive: Drive
) -> None:
    job = make_job(num_trials=1)
    broken = sums.slot("tokenized_examples", "sums-v1").resolve().path / "tokens.parquet"
    data = broken.read_bytes()
    table = TrialTable(sums, job.identity)
    broken.write_bytes(data[:-1])
    with pytest.raises(SweepUnfinished, match=r"tokens\.parquet"):
        drive(job)
    broken.write_bytes(data)
    with pytest.raises(SweepUnfinished, match=r"tokens\.parquet"):
        drive(job)

    drive(make_job(num_trials=1, retry_failed=True))

    table.load(retry_failed=False)
    assert [trial.status for trial in table.search] == ["complete"]


def test_a_second_driver_of_the_same_sweep_is_refused(
    sums: Store, make_job: MakeJob, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunix_ml.tuning.trials._OWNERSHIP_TIMEOUT_S", 0.0)
    job = make_job()

    with TrialTable(sums, job.identity).owned(), pytest.raises(LeaseHeld, match="is being written by"):
        drive(job)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": {"speed": {"uniform": [0, 1]}}}, "swept field 'speed' is none of the training recipe"),
        (
            {"space": {"device": {"choice": ["cpu", "auto"]}}},
            "swept field 'device' changes nothing about a run",
        ),
        ({"space": {"recipe": {"choice": ["a", "b"]}}}, "'recipe' changes nothing but the name"),
        ({"metric": "trace_num_steps"}, "neither more nor less is better"),
        ({"first_rung_steps": 6}, "first_rung_steps 6 is not below the 6 steps"),
        ({"train": {"smoke_steps": 2}}, "smoke_steps 2 is not for a sweep"),
    ],
)
def test_a_sweep_that_contradicts_itself_is_refused_before_anything_is_trained(
    sums: Store, make_job: MakeJob, drive: Drive, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ContractError, match=sentence):
        drive(make_job(**changes))

    assert sums.run_ids() == []
