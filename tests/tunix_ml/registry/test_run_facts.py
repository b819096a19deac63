from collections.abc import Callable

import pytest

from tunix_ml.contracts.training import CheckpointRecord, TrainConfig
from tunix_ml.registry.run_facts import model_name, run_facts
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store


def test_a_run_costs_its_training_on_all_devices_and_its_decoding(
    store: Store, evaluated: Callable[..., Slot]
) -> None:
    run = store.run(evaluated().key)
    path = run.path / "checkpoint.json"
    path.write_bytes(CheckpointRecord.read(path).model_copy(update={"num_devices": 4}).to_json())

    facts = run_facts(run, "golden-v2.test")

    assert facts.device_seconds == 4 * 12 + 2
    assert (facts.num_params, facts.checkpoint_step, facts.validation_loss) == (123_456, 20, 1.5)


def test_of_a_foreign_system_its_name_is_known_and_nothing_else(store: Store) -> None:
    run: RunDirectory = store.run("6b_finetuning.external.0123456789")

    assert run_facts(run, "eval-v1") == ("6b_finetuning", None, None, None, None, None)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (TrainConfig(num_layers=4, hidden_size=256), "4 layers of 256"),
        (TrainConfig(base_model="HuggingFaceTB/SmolLM2-135M"), "SmolLM2-135M"),
        (TrainConfig(base_model="/models/qwen3/", lora_rank=8), "qwen3 + LoRA 8"),
    ],
)
def test_a_model_is_named_by_its_base_or_its_shape(config: TrainConfig, name: str) -> None:
    assert model_name(config) == name
