import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import CheckpointRecord, ExecutionConfig, MetricsRow, RunIdentity
from tunix_ml.durable import LeaseHeld
from tunix_ml.snapshot import NotPublished
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training import loop
from tunix_ml.training.checkpoints import Checkpoints, ResumeError
from tunix_ml.training.devices import DeviceNotFound
from tunix_ml.training.loop import train
from tunix_ml.training.metrics import read_metrics
from tunix_ml.training.progress import NonFiniteLoss

Identify = Callable[..., RunIdentity]


class Stopped(Exception):
    """The test's stand-in for a kill."""


def stop_at(trained: Any, line: str, **execution: Any) -> None:
    """Train the run anew until a report begins with a line."""

    def stop_there(report: str) -> None:
        if report.startswith(line):
            raise Stopped

    trained.forget()
    config = ExecutionConfig(
        device="cpu", save_every_steps=2, eval_every_steps=2, log_every_steps=1, **execution
    )
    with pytest.raises(Stopped):
        train(store=trained.store, identity=trained.identity, execution=config, report=stop_there)


def metrics(run: RunDirectory) -> list[MetricsRow]:
    return read_metrics(run.path / "metrics.jsonl")


def numbers(run: RunDirectory) -> list[tuple[int, str, str, str, str | None]]:
    """All of the metrics that is not time, to the last bit."""
    return [
        (
            row.step,
            row.loss.hex(),
            row.grad_norm.hex(),
            row.learning_rate.hex(),
            None if row.validation_loss is None else row.validation_loss.hex(),
        )
        for row in metrics(run)
    ]


def test_a_run_leaves_its_identity_its_record_and_its_model(trained: Any) -> None:
    model = trained.run.slot("model").resolve()

    assert CheckpointRecord.read(trained.run.path / "checkpoint.json") == trained.record
    assert RunIdentity.read(trained.run.path / "config.json") == trained.identity
    assert trained.record.model_digest == model.digest
    assert (trained.record.step, trained.record.num_train_steps, trained.record.stopped_by) == (6, 6, "steps")


def test_the_record_agrees_with_the_metrics(trained: Any) -> None:
    record, rows = trained.record, metrics(trained.run)

    assert [row.step for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (record.first_loss, record.final_loss) == (rows[0].loss, rows[-1].loss)
    assert record.validation_loss == rows[-1].validation_loss
    assert record.final_loss < record.first_loss
    assert record.num_tokens_seen == pytest.approx(6 * 2 * 206, rel=0.1)  # two examples of 103 tokens a row
    assert record.train_time_s > 0
    assert record.compile_time_s > 0


def test_a_smoke_run_leaves_a_row_a_checkpoint_and_a_model(trained: Any, identify: Identify) -> None:
    identity = identify(trained.store, smoke_steps=1)

    record, reports = trained.tell(identity, save_every_steps=100, eval_every_steps=100, log_every_steps=100)

    run = trained.store.run(identity.run_id())
    assert [row.step for row in metrics(run)] == [1]
    assert (record.step, record.num_train_steps) == (1, 1)
    assert (run.path / "checkpoints" / "1").is_dir()
    assert reports[0] == f"starting {run.run_id} on cpu"
    assert reports[1].startswith("compiled for ")
    assert reports[2].startswith("step 1/1 100% loss ")


# resume


@pytest.mark.parametrize("line", ["step 3/6", "step 6/6"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(trained: Any, line: str) -> None:
    whole = numbers(trained.run)
    stop_at(trained, line)

    record, reports = trained.tell()

    assert numbers(trained.run) == whole
    assert any(report.startswith(f"resuming {trained.run.run_id} on cpu after step ") for report in reports)
    kept = ("model_digest", "first_loss", "final_loss", "validation_loss", "num_tokens_seen")
    assert [getattr(record, name) for name in kept] == [getattr(trained.record, name) for name in kept]


def test_a_run_stopped_between_its_last_checkpoint_and_its_record_is_finished(trained: Any) -> None:
    (trained.run.path / "checkpoint.json").unlink()

    record, reports = trained.tell()

    assert reports == [f"resuming {trained.run.run_id} on cpu after step 6/6"]
    assert record == trained.record.model_copy(update={"compile_time_s": 0.0})


def test_a_finished_run_is_adopted(trained: Any) -> None:
    record, reports = trained.tell(log_every_steps=3)

    loss = trained.record.final_loss
    assert record == trained.record
    assert reports == [f"{trained.run.run_id} is finished already, loss {loss:.4f}: adopting it"]


@pytest.mark.parametrize("victim", ["checkpoints/6/meta/metadata", "model/*/artifact.json"])
def test_a_finished_run_with_a_damaged_part_is_made_good_by_the_same_command(
    trained: Any, victim: str
) -> None:
    (path,) = trained.run.path.glob(victim)
    path.write_bytes(b"damaged")

    record = trained.train()

    assert record.model_digest == trained.record.model_digest
    assert trained.run.slot("model").resolve().verify() == []
    assert Checkpoints(trained.run.path / "checkpoints", 2, print).problem(6) is None


def test_a_finished_run_with_a_damaged_model_publishes_it_again(trained: Any) -> None:
    (trained.run.slot("model").resolve().path / "model.safetensors").write_bytes(b"damaged")

    record, reports = trained.tell()

    assert "model.safetensors has sha256" in reports[0]
    assert record.model_digest == trained.record.model_digest
    assert trained.run.slot("model").resolve().verify() == []


def test_a_run_goes_on_from_a_checkpoint_of_another_machine(trained: Any, tmp_path: Path) -> None:
    whole = numbers(trained.run)
    shutil.copytree(trained.run.path / "checkpoints" / "4", tmp_path / "from-afar")
    trained.forget()

    record, reports = trained.tell(resume_from=str(tmp_path / "from-afar"))

    assert reports[0] == f"copied checkpoint 4 from {tmp_path / 'from-afar'}"
    assert numbers(trained.run) == whole[4:]
    assert record.model_digest == trained.record.model_digest


def test_a_finished_run_can_be_started_afresh(trained: Any) -> None:
    whole = numbers(trained.run)

    record = trained.train(resume_from="none")

    assert numbers(trained.run) == whole
    assert record.model_digest == trained.record.model_digest


def test_an_absent_step_to_resume_from_is_an_error(trained: Any) -> None:
    with pytest.raises(ResumeError, match=r"'5' is neither .* there are 4, 6"):
        trained.train(resume_from="5")

    assert (trained.run.path / "checkpoint.json").exists()


# the time budget


def test_a_run_whose_time_is_over_is_published_and_gone_on_with(trained: Any) -> None:
    whole = numbers(trained.run)
    trained.forget()

    first = trained.train(time_budget_minutes=1e-6, eval_every_steps=100)
    second = trained.train(eval_every_steps=2)

    assert (first.step, first.num_train_steps, first.stopped_by) == (1, 6, "time_budget")
    assert first.model_digest != trained.record.model_digest
    assert (second.step, second.stopped_by) == (6, "steps")
    assert second.model_digest == trained.record.model_digest
    assert numbers(trained.run)[1:] == whole[1:]


def test_a_pause_costs_a_run_nothing_and_bends_no_schedule(trained: Any) -> None:
    whole = numbers(trained.run)
    trained.forget()

    first = trained.train(pause_after_step=3, eval_every_steps=100)
    again = trained.train(pause_after_step=3, eval_every_steps=100)
    second = trained.train(eval_every_steps=2)

    assert (first.step, first.num_train_steps, first.stopped_by) == (3, 6, "pause")
    assert again.model_copy(update={"compile_time_s": first.compile_time_s}) == first
    assert again.compile_time_s == 0
    assert (second.step, second.stopped_by) == (6, "steps")
    assert second.model_digest == trained.record.model_digest
    assert numbers(trained.run)[3:] == whole[3:]


def test_a_run_that_was_further_without_an_evaluation_takes_a_step_and_pauses(trained: Any) -> None:
    trained.forget()
    trained.train(time_budget_minutes=1e-6, eval_every_steps=100)
    trained.train(pause_after_step=4, eval_every_steps=100)

    earlier = trained.train(pause_after_step=2, eval_every_steps=100)

    assert (earlier.step, earlier.stopped_by) == (4, "pause")


# what is refused


def test_a_directory_of_another_identity_is_refused(trained: Any) -> None:
    other = trained.identity.model_copy(update={"code_version": "other"})
    (trained.run.path / "config.json").write_bytes(other.to_json())

    with pytest.raises(ContractError, match=r"config.json is of another identity"):
        trained.train()


def test_tokens_that_are_gone_are_named(trained: Any) -> None:
    with pytest.raises(NotPublished, match="has no content 0000"):
        trained.train(trained.identity.model_copy(update={"tokens_digest": "0" * 64}))


def test_tokens_made_from_another_dataset_are_refused(trained: Any) -> None:
    with pytest.raises(ContractError, match=r"have dataset_digest .*, the run has 'other'"):
        trained.train(trained.identity.model_copy(update={"dataset_digest": "other"}))


def test_a_loss_that_is_no_number_stops_the_run(trained: Any, identify: Identify) -> None:
    identity = identify(trained.store, learning_rate=1e30)

    with pytest.raises(NonFiniteLoss, match="lower learning_rate"):
        trained.train(identity)

    run = trained.store.run(identity.run_id())
    assert all(math.isfinite(row.loss) for row in metrics(run))
    assert not (run.path / "checkpoint.json").exists()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="needs a machine without an accelerator")
def test_an_absent_device_is_told_before_anything_is_written(sums: Store, identify: Identify) -> None:
    identity = identify(sums)

    with pytest.raises(DeviceNotFound):
        train(store=sums, identity=identity, execution=ExecutionConfig(device="tpu"), report=print)

    assert not sums.run(identity.run_id()).path.exists()


def test_two_processes_never_train_one_run(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LEASE_TIMEOUT_S", 0.0)

    with trained.run.lease(), pytest.raises(LeaseHeld, match="is being written by"):
        trained.train()


def test_a_split_without_rows_is_an_error(trained: Any) -> None:
    slot = trained.store.slot("tokenized_examples", "sums-v1")
    tokens = slot.resolve()
    table = pq.read_table(tokens.file("tokens.parquet"))
    with slot.publish() as draft:
        train_only = table.filter(np.array(table["split"]) == "train")
        pq.write_table(train_only, draft.path / "tokens.parquet", write_page_checksum=True)
        (draft.path / "tokens.json").write_bytes(tokens.file("tokens.json").read_bytes())

    with pytest.raises(ContractError, match=r"split 'validation' of .* has no row"):
        trained.train(trained.identity.model_copy(update={"tokens_digest": draft.snapshot.digest}))
