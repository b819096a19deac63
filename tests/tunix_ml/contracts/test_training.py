import math
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import ExecutionConfig, MetricsRow, RunIdentity, TrainConfig

IDENTITY: dict[str, Any] = {
    "dataset_version": "golden-v2",
    "dataset_digest": "a" * 64,
    "export_digest": "b" * 64,
    "tokens_digest": "c" * 64,
    "template": "reasoning_tags",
    "train": TrainConfig(),
    "code_version": "d" * 64,
}
METRICS: dict[str, Any] = {
    "step": 1,
    "loss": 6.2,
    "learning_rate": 0.003,
    "grad_norm": 1.5,
    "tokens_per_second": 1000.0,
    "step_time_s": 0.1,
}


OTHER_CHOICES: dict[str, Any] = {
    "template": "answer_only",
    "base_model_digest": "e" * 64,
    "engine": "torch",
    "precision": "bfloat16",
    "optimizer": "lion",
    "schedule": "linear",
    "dropout": 0.1,
    "max_steps": 7,
    "max_examples": 7,
    "smoke_steps": 7,
}


def changed(name: str, value: Any) -> Any:
    """Return another valid value of a field."""
    if name in OTHER_CHOICES:
        return OTHER_CHOICES[name]
    if isinstance(value, str):
        return f"x{value[1:]}"
    return value * 2 or 1 if isinstance(value, int) else value * 0.5


@pytest.mark.parametrize("name", [name for name in RunIdentity.model_fields if name != "train"])
def test_the_fingerprint_changes_with_each_field_of_the_identity(name: str) -> None:
    other = RunIdentity(**IDENTITY | {name: changed(name, IDENTITY.get(name))})

    assert other.fingerprint() != RunIdentity(**IDENTITY).fingerprint()


@pytest.mark.parametrize("name", TrainConfig.model_fields)
def test_the_fingerprint_changes_with_each_field_of_the_recipe(name: str) -> None:
    train = TrainConfig()
    other = TrainConfig(**train.model_dump() | {name: changed(name, getattr(train, name))})

    fingerprints = {RunIdentity(**IDENTITY | {"train": config}).fingerprint() for config in (train, other)}

    assert len(fingerprints) == 2


def test_a_base_model_counts_by_its_content_and_not_by_where_it_lies() -> None:
    base = {"base_model_digest": "e" * 64}
    here, there = (
        RunIdentity(**IDENTITY | base | {"train": TrainConfig(base_model=folder)}) for folder in ("a", "b")
    )

    assert here.fingerprint() == there.fingerprint()
    assert here.fingerprint() != RunIdentity(**IDENTITY).fingerprint()


def test_the_fingerprint_is_the_same_for_the_same_identity_read_again() -> None:
    identity = RunIdentity(**IDENTITY)

    again = RunIdentity.parse(identity.to_json(), subject="config.json")

    assert again == identity
    assert again.fingerprint() == identity.fingerprint()
    assert again.run_id() == f"golden-v2.tiny.{identity.fingerprint()[:10]}"


def test_a_whole_number_may_be_written_either_way() -> None:
    texts = [b'"rope_theta":10000,', b'"rope_theta":10000.0,', b'"rope_theta":1e4,']
    data = RunIdentity(**IDENTITY).to_json()

    prints = {RunIdentity.parse(data.replace(texts[0], text), subject="it").fingerprint() for text in texts}

    assert texts[0] in data
    assert len(prints) == 1


def test_execution_is_no_part_of_the_identity() -> None:
    identifying = {*RunIdentity.model_fields, *TrainConfig.model_fields}

    assert not identifying & set(ExecutionConfig.model_fields)
    for name, value in ExecutionConfig().model_dump().items():
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            RunIdentity(**IDENTITY, **{name: value})


@pytest.mark.parametrize("contract", [TrainConfig, ExecutionConfig])
def test_unknown_keys_are_refused_and_values_are_fixed(contract: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match=r"epochs\n  Extra inputs are not permitted"):
        contract(epochs=3)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(contract(), next(iter(contract.model_fields)), 1)


@pytest.mark.parametrize("contract", [TrainConfig, ExecutionConfig])
def test_every_setting_is_described(contract: type[BaseModel]) -> None:
    assert all(field.description for field in contract.model_fields.values())


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"num_train_steps": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"min_learning_rate_ratio": 1.1},
        {"warmup_steps": -1},
        {"weight_decay": -0.1},
        {"adam_b1": 1.0},
        {"adam_b2": 1.0},
        {"grad_clip_norm": 0.0},
    ],
    ids=str,
)
def test_a_recipe_that_cannot_train_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        TrainConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["auto", "cpu", "gpu", "cuda", "tpu"])
def test_devices_are_those_of_the_list(device: Any) -> None:
    assert ExecutionConfig(device=device).device == device
    with pytest.raises(ValidationError, match="'auto', 'cpu', 'gpu', 'cuda' or 'tpu'"):
        ExecutionConfig(device=device.upper())


@pytest.mark.parametrize("name", ["loss", "learning_rate", "grad_norm", "tokens_per_second", "step_time_s"])
def test_a_row_of_metrics_has_no_number_that_is_not_finite(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{name}\n  Input should be a finite number"):
        MetricsRow(**METRICS | {name: math.nan})


def test_a_row_of_metrics_is_one_line() -> None:
    row = MetricsRow(**METRICS)

    assert row.to_json().count(b"\n") == 1
    assert MetricsRow.parse(row.to_json(), subject="metrics.jsonl") == row
    with pytest.raises(ContractError, match=r"step: .* \(got 0\)"):
        MetricsRow.parse(row.to_json().replace(b'"step":1', b'"step":0'), subject="metrics.jsonl")
