from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.training import RunIdentity
from tunix_ml.snapshot import CorruptArtifact
from tunix_ml.training.reproduce import ReproduceJob, Reproduction, main, reproduce


def test_checkpoint_and_model_give_the_recorded_loss_to_the_last_bit(trained: Any) -> None:
    found = reproduce(store=trained.store, run_id=trained.run.run_id, device="cpu")

    assert found.recorded == found.restored == found.merged == found.exported


def test_merged_adapters_give_the_loss_of_those_beside_the_base(
    trained: Any, adapt: Callable[..., RunIdentity]
) -> None:
    record = trained.train(adapt(trained))

    found = reproduce(store=trained.store, run_id=record.run_id, device="cpu")

    assert found.recorded == found.restored
    assert found.merged == pytest.approx(found.restored, rel=1e-6)  # another order of the sums
    assert found.merged == found.exported


def test_a_damaged_checkpoint_is_named(trained: Any) -> None:
    victim = trained.run.path / "checkpoints/6/meta/metadata"
    victim.write_bytes(victim.read_bytes() + b" ")

    with pytest.raises(CorruptArtifact, match=r"checkpoint 6 is damaged: meta/.* changed"):
        reproduce(store=trained.store, run_id=trained.run.run_id, device="cpu")


def test_a_damaged_model_is_named(trained: Any) -> None:
    weights = trained.run.slot("model").resolve().path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x00")

    with pytest.raises(CorruptArtifact, match=r"model.safetensors has sha256"):
        reproduce(store=trained.store, run_id=trained.run.run_id, device="cpu")


def test_the_process_writes_its_result_where_it_is_asked_to(trained: Any, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    job = ReproduceJob(home=trained.store.home, run_id=trained.run.run_id, device="cpu", result_path=result)

    main(job.to_json(), print)

    assert Reproduction.read(result).recorded > 0
