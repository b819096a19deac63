import json
from collections.abc import Callable
from typing import Any

import pytest

from asset_checks import checkpoint
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished
from tunix_ml.store import RunDirectory, Store

Row = dict[str, Any]
# The one check that computes with the model: a finished run of the whole pipeline tests that it passes.
CHECKS = [check for check in checkpoint.CHECKS if check.name != "saved_model_reproduces_its_loss"]


@pytest.fixture
def run(finished_run: Callable[..., RunDirectory]) -> RunDirectory:
    return finished_run()


@pytest.fixture
def subject(store: Store, run: RunDirectory, subject_of: Callable[..., Subject]) -> Subject:
    return subject_of(store.slot("checkpoint", "golden-v2"))


@pytest.fixture
def log(run: RunDirectory) -> Callable[..., None]:
    """A function that changes the rows of metrics.jsonl."""

    def change_rows(change: Callable[[list[Row]], object]) -> None:
        path = run.path / "metrics.jsonl"
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        change(rows)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return change_rows


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_finished_run_passes(subject: Subject, check: Check) -> None:
    outcome = check.function(subject)

    assert outcome.passed, outcome.description


# identity_matches_the_run


def edit_identity(run: RunDirectory, **changes: Any) -> None:
    path = run.path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


@pytest.mark.parametrize("changes", [{"code_version": "other"}, {"template": "answer_only"}])
def test_an_identity_that_is_not_the_runs_is_found(
    run: RunDirectory, subject: Subject, changes: dict[str, str]
) -> None:
    edit_identity(run, **changes)

    outcome = checkpoint.identity_matches_the_run(subject)

    assert not outcome.passed
    assert f"the run is {run.run_id}" in outcome.description


def test_an_identity_whose_inputs_are_not_in_the_store_is_no_pass(
    run: RunDirectory, subject: Subject
) -> None:
    edit_identity(run, dataset_digest="0" * 64)

    with pytest.raises(NotPublished, match="dataset of 'golden-v2' has no content 0000"):
        checkpoint.identity_matches_the_run(subject)


def test_another_seed_is_another_run(run: RunDirectory, subject: Subject) -> None:
    train = json.loads((run.path / "config.json").read_bytes())["train"]
    edit_identity(run, train={**train, "seed": 1})

    assert not checkpoint.identity_matches_the_run(subject).passed


@pytest.mark.parametrize(
    ("table", "file"),
    [
        ("dataset", "traces.parquet"),
        ("sft_export", "training_example.train.jsonl"),
        ("tokenized_examples", "tokens.parquet"),
    ],
)
def test_an_input_that_was_damaged_since_is_found(
    store: Store, subject: Subject, table: str, file: str
) -> None:
    (store.slot(table, "golden-v2").resolve().path / file).write_bytes(b"damaged")

    outcome = checkpoint.identity_matches_the_run(subject)

    assert not outcome.passed
    assert f"{file} has sha256" in outcome.description


def test_a_record_that_differs_from_the_runs_own_is_found(
    store: Store, subject: Subject, tampered: Callable[..., Subject], edit_json: Callable[..., Any]
) -> None:
    slot: Slot = store.slot("checkpoint", "golden-v2")
    better = tampered(slot, edit_json("checkpoint.json", validation_loss=0.001))

    outcome = checkpoint.identity_matches_the_run(better)

    assert outcome.description == "run: the run's checkpoint.json differs from the published record"


# losses_are_finite


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.pop(), "the last row is of step 10, the record of step 20"),
        (lambda rows: rows.clear(), "the last row is of step None, the record of step 20"),
        (lambda rows: rows.insert(0, rows[0]), "steps repeat or go backwards"),
        (lambda rows: rows.reverse(), "steps repeat or go backwards"),
    ],
)
def test_metrics_that_do_not_run_from_the_first_step_to_the_last_are_found(
    subject: Subject, log: Callable[..., None], change: Callable[[list[Row]], object], found: str
) -> None:
    log(change)

    outcome = checkpoint.losses_are_finite(subject)

    assert not outcome.passed
    assert found in outcome.description


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "low"])
@pytest.mark.parametrize("field", ["loss", "grad_norm"])
def test_a_loss_that_is_no_number_is_no_metrics_row(
    subject: Subject, log: Callable[..., None], field: str, value: object
) -> None:
    log(lambda rows: rows[1].update({field: value}))

    with pytest.raises(ContractError, match=r"metrics\.jsonl line 2 is not a MetricsRow"):
        checkpoint.losses_are_finite(subject)


def test_a_torn_last_line_counts_as_not_written(run: RunDirectory, subject: Subject) -> None:
    path = run.path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-20])

    outcome = checkpoint.losses_are_finite(subject)

    assert outcome.description == "metrics: the last row is of step 10, the record of step 20"


def test_a_run_that_ended_before_its_last_step_is_found(
    store: Store, subject: Subject, tampered: Callable[..., Subject], edit_json: Callable[..., Any]
) -> None:
    slot = store.slot("checkpoint", "golden-v2")
    unfinished = tampered(slot, edit_json("checkpoint.json", num_train_steps=30))

    outcome = checkpoint.losses_are_finite(unfinished)

    assert outcome.description == "metrics: the run ended after step 20, 30 were planned"


def test_a_run_that_was_ended_by_its_time_budget_says_so_and_passes(
    store: Store, subject: Subject, tampered: Callable[..., Subject], edit_json: Callable[..., Any]
) -> None:
    ended = edit_json("checkpoint.json", num_train_steps=30, stopped_by="time_budget")

    outcome = checkpoint.losses_are_finite(tampered(store.slot("checkpoint", "golden-v2"), ended))

    assert outcome.passed, outcome.description
    assert (outcome.facts["step"], outcome.facts["num_train_steps"]) == (20, 30)


# loss_fell


def test_a_loss_that_did_not_fall_is_warned_of(subject: Subject, log: Callable[..., None]) -> None:
    log(lambda rows: [row.update(loss=2.0 + row["step"] / 10) for row in rows])

    outcome = checkpoint.loss_fell(subject)

    # Rows at the steps 1, 10, 20: the mean of the last three is (2.1 + 3 + 4) / 3.
    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description == "loss went from 2.1000 to 3.0333"


# saved_model_reproduces_its_loss


@pytest.mark.parametrize(
    ("name", "loss", "expected"),
    [("restored", 1.5001, "recorded"), ("merged", 1.55, "recorded"), ("exported", 1.5001, "merged")],
)
def test_parameters_that_give_another_loss_are_found(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, name: str, loss: float, expected: str
) -> None:
    losses = {"recorded": 1.5, "restored": 1.5, "merged": 1.5, "exported": 1.5, name: loss}
    monkeypatch.setattr(checkpoint, "_reproduce", lambda subject: losses)

    outcome = checkpoint.saved_model_reproduces_its_loss(subject)

    assert not outcome.passed
    assert f"the {name} parameters give {loss}, {expected} is 1.5" in outcome.description


def test_a_model_that_cannot_be_loaded_is_no_pass(subject: Subject) -> None:
    with pytest.raises(TunixError, match="checkpoint"):
        checkpoint.saved_model_reproduces_its_loss(subject)


# adapter_merges_into_the_model


def edit_recipe(run: RunDirectory, **changes: Any) -> None:
    train = json.loads((run.path / "config.json").read_bytes())["train"]
    edit_identity(run, train={**train, **changes})


def test_a_run_without_an_adapter_passes_and_says_so(subject: Subject) -> None:
    outcome = checkpoint.adapter_merges_into_the_model(subject)

    assert outcome.passed
    assert outcome.description == "the run trained every parameter, it has no adapter"


@pytest.mark.parametrize(
    ("found", "passed", "description"),
    [
        ({"is_readable": True, "num_params": 9, "differing": []}, True, "no problem found"),
        ({"is_readable": False, "num_params": 0, "differing": []}, True, "GPT-2 hold several adapters"),
        ({"is_readable": True, "num_params": 9, "differing": ["q_proj"]}, False, "q_proj is not what the"),
    ],
)
def test_an_adapter_that_makes_another_model_is_found(
    run: RunDirectory,
    subject: Subject,
    monkeypatch: pytest.MonkeyPatch,
    found: dict[str, object],
    passed: bool,
    description: str,
) -> None:
    edit_recipe(run, lora_rank=2)
    monkeypatch.setattr(checkpoint, "_compare_adapter", lambda subject: found)

    outcome = checkpoint.adapter_merges_into_the_model(subject)

    assert outcome.passed is passed
    assert description in outcome.description


def test_an_adapter_whose_base_is_gone_is_no_pass(run: RunDirectory, subject: Subject) -> None:
    edit_recipe(run, lora_rank=2, base_model="/nowhere")

    with pytest.raises(TunixError, match="nowhere"):
        checkpoint.adapter_merges_into_the_model(subject)
