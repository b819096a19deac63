import json
import math
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
from tunix_ml.exports.tokenizer import load_tokenizer
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.store import NotPublished, Store
from tunix_ml.training import loop
from tunix_ml.training.checkpoints import Checkpoints, ResumeError
from tunix_ml.training.data import read_rows
from tunix_ml.training.devices import DeviceNotFound
from tunix_ml.training.loop import train, validation_loss
from tunix_ml.training.metrics import read_metrics
from tunix_ml.training.progress import NonFiniteLoss
from tunix_ml.training.step import LossSum, loss_sum

Identify = Callable[..., RunIdentity]
EVERY_TWO = {"save_every_steps": 2, "eval_every_steps": 2, "log_every_steps": 1}


class Stopped(Exception):
    """The test's stand-in for a kill."""


def run(
    store: Store, identity: RunIdentity, reports: list[str] | None = None, **execution: Any
) -> CheckpointRecord:
    said: list[str] = [] if reports is None else reports
    config = ExecutionConfig.model_validate({"device": "cpu", **EVERY_TWO, **execution})
    return train(store=store, identity=identity, execution=config, report=said.append)


def run_until(store: Store, identity: RunIdentity, line: str, **execution: Any) -> None:
    """Train until a report begins with a line."""

    def stop_there(report: str) -> None:
        if report.startswith(line):
            raise Stopped

    config = ExecutionConfig.model_validate({"device": "cpu", **EVERY_TWO, **execution})
    with pytest.raises(Stopped):
        train(store=store, identity=identity, execution=config, report=stop_there)


def metrics(store: Store, identity: RunIdentity) -> list[MetricsRow]:
    return read_metrics(store.run(identity.run_id()).path / "metrics.jsonl")


def numbers(store: Store, identity: RunIdentity) -> list[tuple[int, str, str, str, str | None]]:
    """All of the metrics that is not time, to the last bit."""
    return [
        (
            row.step,
            row.loss.hex(),
            row.grad_norm.hex(),
            row.learning_rate.hex(),
            None if row.validation_loss is None else row.validation_loss.hex(),
        )
        for row in metrics(store, identity)
    ]


@pytest.fixture
def identity(sums: Store, identify: Identify) -> RunIdentity:
    return identify(sums)


def test_a_run_leaves_its_record_and_a_model_that_loads(sums: Store, identity: RunIdentity) -> None:
    record = run(sums, identity)

    directory = sums.run(identity.run_id()).path
    model = sums.run(identity.run_id()).slot("model").resolve()
    assert CheckpointRecord.read(directory / "checkpoint.json") == record
    assert RunIdentity.read(directory / "config.json") == identity
    assert record.model_digest == model.digest
    assert model.record.parents == {"tokenized_examples": identity.tokens_digest}
    assert load_model(model.path).network.config.max_position_embeddings == 256
    assert load_tokenizer(model.path).decode(load_tokenizer(model.path).encode("1 + 1")) == "1 + 1"


def test_the_record_agrees_with_the_metrics(sums: Store, identity: RunIdentity) -> None:
    record = run(sums, identity)

    rows = metrics(sums, identity)
    assert [row.step for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (record.first_loss, record.final_loss) == (rows[0].loss, rows[-1].loss)
    assert record.validation_loss == rows[-1].validation_loss
    assert record.final_loss < record.first_loss
    assert record.num_tokens_seen == pytest.approx(6 * 2 * 206, rel=0.1)  # two examples of 103 tokens a row
    assert record.train_time_s > 0
    assert record.compile_time_s > 0


def test_the_validation_loss_is_over_the_whole_split(
    sums: Store, identity: RunIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run(sums, identity)

    wide = identity.train.model_copy(update={"batch_size": 64})
    path = sums.slot("tokenized_examples", "sums-v1").resolve().file("tokens.parquet")
    rows = read_rows(path, "validation", seq_len=256)
    model = load_model(sums.run(identity.run_id()).slot("model").resolve().path)
    at_once = validation_loss(
        lambda params, batch: loss_sum(model.network, params, batch), model.params, rows, wide
    )
    assert record.validation_loss == pytest.approx(at_once, rel=1e-6)


def test_a_validation_loss_that_is_no_number_is_an_error(sums: Store, identity: RunIdentity) -> None:
    path = sums.slot("tokenized_examples", "sums-v1").resolve().file("tokens.parquet")
    rows = read_rows(path, "validation", seq_len=256)

    with pytest.raises(NonFiniteLoss, match="validation loss is nan"):
        validation_loss(
            lambda params, batch: LossSum(jax.numpy.float32("nan"), jax.numpy.float32(1)),
            {},
            rows,
            identity.train,
        )


def test_progress_is_reported(sums: Store, identity: RunIdentity) -> None:
    reports: list[str] = []

    run(sums, identity, reports)

    assert reports[0] == f"starting {identity.run_id()} on cpu"
    assert reports[1].startswith("compiled for ")
    assert reports[-1].startswith("step 6/6 100% loss ")


def test_provenance_says_where_the_session_ran(sums: Store, identity: RunIdentity) -> None:
    run(sums, identity)

    facts = json.loads((sums.run(identity.run_id()).path / "provenance.json").read_bytes())
    assert facts["device"] == "cpu"
    assert facts["execution"]["save_every_steps"] == 2
    assert facts["resumed_from_step"] is None
    assert facts["packages"]["jax"] == jax.__version__


def test_a_smoke_run_leaves_a_row_and_a_checkpoint(sums: Store, identify: Identify) -> None:
    identity = identify(sums, num_train_steps=1)

    record = run(sums, identity, save_every_steps=100, eval_every_steps=100, log_every_steps=100)

    assert [row.step for row in metrics(sums, identity)] == [1]
    assert record.step == 1
    assert (sums.run(identity.run_id()).path / "checkpoints" / "1").is_dir()


@pytest.mark.parametrize("line", ["step 1/6", "step 3/6", "step 5/6", "step 6/6"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    sums: Store, identity: RunIdentity, line: str, tmp_path: Path
) -> None:
    uninterrupted = Store(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "lake").symlink_to(sums.home / "lake")
    expected = run(uninterrupted, identity)

    run_until(sums, identity, line)
    record = run(sums, identity)

    assert numbers(sums, identity) == numbers(uninterrupted, identity)
    assert record.model_digest == expected.model_digest
    assert record.first_loss == expected.first_loss
    assert record.num_tokens_seen == expected.num_tokens_seen


def test_a_run_stopped_between_its_last_checkpoint_and_its_record_is_finished(
    sums: Store, identity: RunIdentity
) -> None:
    first = run(sums, identity)
    (sums.run(identity.run_id()).path / "checkpoint.json").unlink()
    reports: list[str] = []

    record = run(sums, identity, reports)

    assert reports == [f"resuming {identity.run_id()} on cpu after step 6/6"]
    assert record == first.model_copy(update={"compile_time_s": 0.0})


def test_a_finished_run_is_adopted(sums: Store, identity: RunIdentity) -> None:
    first, reports = run(sums, identity), list[str]()

    again = run(sums, identity, reports, log_every_steps=3)

    assert again == first
    assert reports == [f"{identity.run_id()} is finished already, loss {first.final_loss:.4f}: adopting it"]


@pytest.mark.parametrize("victim", ["checkpoints/6/meta/metadata", "model/*/artifact.json"])
def test_a_finished_run_with_a_damaged_part_is_made_good_by_the_same_command(
    sums: Store, identity: RunIdentity, victim: str
) -> None:
    first = run(sums, identity)
    (path,) = sums.run(identity.run_id()).path.glob(victim)
    path.write_bytes(b"damaged")

    again = run(sums, identity)

    assert again.model_digest == first.model_digest
    assert sums.run(identity.run_id()).slot("model").resolve().verify() == []
    assert Checkpoints(sums.run(identity.run_id()).path / "checkpoints", 2, print).problem(6) is None


def test_a_finished_run_with_a_damaged_model_publishes_it_again(sums: Store, identity: RunIdentity) -> None:
    first, reports = run(sums, identity), list[str]()
    model = sums.run(identity.run_id()).slot("model").resolve()
    (model.path / "model.safetensors").write_bytes(b"damaged")

    again = run(sums, identity, reports)

    assert "model.safetensors has sha256" in reports[0]
    assert again.model_digest == first.model_digest
    assert sums.run(identity.run_id()).slot("model").resolve().verify() == []


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    sums: Store, identity: RunIdentity, tmp_path: Path
) -> None:
    run_until(sums, identity, "step 5/6")
    before, reports = numbers(sums, identity), list[str]()
    seal = sums.run(identity.run_id()).path / "checkpoints" / "4" / "integrity.json"
    seal.write_bytes(b"{")

    run(sums, identity, reports)

    assert reports[0] == "checkpoint 4 is damaged: integrity.json is not JSON; set aside as set_aside/4.0"
    assert reports[1].endswith("after step 2/6")
    assert numbers(sums, identity)[:5] == before


def test_a_run_can_be_started_afresh(sums: Store, identity: RunIdentity) -> None:
    first, before = run(sums, identity), numbers(sums, identity)

    again = run(sums, identity, resume_from="none")

    assert numbers(sums, identity) == before
    assert again.model_digest == first.model_digest


def test_a_finished_run_can_be_resumed_from_a_step(sums: Store, identity: RunIdentity) -> None:
    first, before = run(sums, identity), numbers(sums, identity)

    again = run(sums, identity, resume_from="4")

    assert numbers(sums, identity) == before
    assert again.model_digest == first.model_digest


def test_an_absent_step_to_resume_from_is_an_error(sums: Store, identity: RunIdentity) -> None:
    run(sums, identity)

    with pytest.raises(ResumeError, match=r"'5' is neither .* there are 4, 6"):
        run(sums, identity, resume_from="5")
    assert (sums.run(identity.run_id()).path / "checkpoint.json").exists()


def test_another_seed_is_another_run(sums: Store, identify: Identify) -> None:
    one, other = (run(sums, identify(sums, seed=seed, num_train_steps=1)) for seed in (0, 1))

    assert one.run_id != other.run_id
    assert one.first_loss != other.first_loss


def test_a_directory_of_another_identity_is_refused(sums: Store, identity: RunIdentity) -> None:
    directory = sums.run(identity.run_id()).path
    directory.mkdir(parents=True)
    (directory / "config.json").write_bytes(identity.model_copy(update={"code_version": "other"}).to_json())

    with pytest.raises(ContractError, match=r"config.json is of another identity"):
        run(sums, identity)


def test_tokens_that_are_gone_are_named(sums: Store, identity: RunIdentity) -> None:
    with pytest.raises(NotPublished, match="has no content 0000"):
        run(sums, identity.model_copy(update={"tokens_digest": "0" * 64}))


def test_tokens_made_from_another_dataset_are_refused(sums: Store, identity: RunIdentity) -> None:
    with pytest.raises(ContractError, match=r"have dataset_digest .*, the run has 'other'"):
        run(sums, identity.model_copy(update={"dataset_digest": "other"}))


def test_heads_that_do_not_divide_the_width_are_refused(sums: Store, identify: Identify) -> None:
    with pytest.raises(ContractError, match="num_heads 3 does not divide hidden_size 16"):
        run(sums, identify(sums, num_heads=3))


def test_a_loss_that_is_no_number_stops_the_run(sums: Store, identify: Identify) -> None:
    identity = identify(sums, learning_rate=1e30)

    with pytest.raises(NonFiniteLoss, match="lower learning_rate"):
        run(sums, identity)

    assert all(math.isfinite(row.loss) for row in metrics(sums, identity))
    assert not (sums.run(identity.run_id()).path / "checkpoint.json").exists()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="needs a machine without an accelerator")
def test_an_absent_device_is_told_before_anything_is_written(sums: Store, identity: RunIdentity) -> None:
    with pytest.raises(DeviceNotFound):
        run(sums, identity, device="tpu")

    assert not sums.run(identity.run_id()).path.exists()


def test_two_processes_never_train_one_run(
    sums: Store, identity: RunIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LEASE_TIMEOUT_S", 0.0)

    with sums.run(identity.run_id()).lease(), pytest.raises(LeaseHeld, match="is being written by"):
        run(sums, identity)


def test_a_split_without_rows_is_an_error(sums: Store, identity: RunIdentity) -> None:
    slot = sums.slot("tokenized_examples", "sums-v1")
    tokens = slot.resolve()
    table = pq.read_table(tokens.file("tokens.parquet"))
    with slot.publish() as draft:
        train_only = table.filter(np.array(table["split"]) == "train")
        pq.write_table(train_only, draft.path / "tokens.parquet", write_page_checksum=True)
        (draft.path / "tokens.json").write_bytes(tokens.file("tokens.json").read_bytes())

    with pytest.raises(ContractError, match=r"split 'validation' of .* has no row"):
        run(sums, identity.model_copy(update={"tokens_digest": draft.snapshot.digest}))
