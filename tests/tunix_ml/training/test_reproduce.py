from collections.abc import Callable
from pathlib import Path

import pytest

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.store import CorruptArtifact, Store
from tunix_ml.training.loop import train
from tunix_ml.training.reproduce import ReproduceJob, Reproduction, main, reproduce


@pytest.fixture
def finished(sums: Store, identify: Callable[..., RunIdentity]) -> str:
    """The id of a run trained to its end."""
    execution = ExecutionConfig(device="cpu", save_every_steps=3, eval_every_steps=3)
    return train(store=sums, identity=identify(sums), execution=execution, report=print).run_id


def test_checkpoint_and_model_give_the_recorded_loss_to_the_last_bit(sums: Store, finished: str) -> None:
    found = reproduce(store=sums, run_id=finished, device="cpu")

    assert found.recorded == found.restored == found.exported


def test_a_damaged_checkpoint_is_named(sums: Store, finished: str) -> None:
    victim = sums.run(finished).path / "checkpoints/6/meta/metadata"
    victim.write_bytes(victim.read_bytes() + b" ")

    with pytest.raises(CorruptArtifact, match=r"checkpoint 6 is damaged: meta/.* changed"):
        reproduce(store=sums, run_id=finished, device="cpu")


def test_a_damaged_model_is_named(sums: Store, finished: str) -> None:
    weights = sums.run(finished).slot("model").resolve().path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x00")

    with pytest.raises(CorruptArtifact, match=r"model.safetensors has sha256"):
        reproduce(store=sums, run_id=finished, device="cpu")


def test_the_process_writes_its_result_where_it_is_asked_to(
    sums: Store, finished: str, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    job = ReproduceJob(home=sums.home, run_id=finished, device="cpu", result_path=result)

    main(job.to_json(), print)

    assert Reproduction.read(result).recorded > 0
