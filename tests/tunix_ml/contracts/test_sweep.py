from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import (
    TRIALS_SCHEMA,
    Dimension,
    SweepIdentity,
    SweepSpec,
    Trial,
    dimensions_of,
    objective_of,
)
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity, TrainConfig

TRIAL = {
    "number": 3,
    "kind": "search",
    "status": "complete",
    "values": {"learning_rate": 0.01, "optimizer": "lion", "num_layers": 2},
    "seed": 0,
    "run_id": "golden-v2.swept.0123456789",
    "fingerprint": "f" * 64,
    "step": 20,
    "rungs": [{"step": 10, "value": 2.0}, {"step": 20, "value": 1.5}],
    "metric": 1.5,
}


def spec_of(**space: Any) -> SweepSpec:
    return SweepSpec(space=space)


def test_its_settings_are_none_of_a_run() -> None:
    names = set(SweepSpec.model_fields)

    assert names.isdisjoint(TrainConfig.model_fields)
    assert names.isdisjoint(ExecutionConfig.model_fields)


def test_a_space_has_four_kinds_of_dimensions() -> None:
    spec = spec_of(
        optimizer={"choice": ["adamw", "lion"]},
        weight_decay={"uniform": [0, 0.1]},
        learning_rate={"loguniform": [0.001, 0.1]},
        num_layers={"int": [1, 4]},
    )

    assert dimensions_of(spec) == {
        "learning_rate": Dimension("loguniform", (0.001, 0.1)),
        "num_layers": Dimension("int", (1, 4)),
        "optimizer": Dimension("choice", ("adamw", "lion")),
        "weight_decay": Dimension("uniform", (0, 0.1)),
    }


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ([1, 2], "expected one of choice"),
        ({"normal": [0, 1]}, "expected one of choice"),
        ({"choice": [1, 2], "int": [1, 2]}, "expected one of choice"),
        ({"uniform": 0.5}, "expected one of choice"),
        ({"choice": [1]}, "expected two values or more"),
        ({"choice": [1, 1]}, "expected two values or more"),
        ({"choice": [[1], [2]]}, "expected numbers and texts"),
        ({"uniform": [1, 0]}, r"expected \[low, high\]$"),
        ({"uniform": [0, 1, 2]}, r"expected \[low, high\]$"),
        ({"loguniform": [0, 1]}, "the low one above 0"),
        ({"loguniform": ["1e-4", 1]}, "YAML reads 1e-4 as a text, write 1.0e-4"),
        ({"int": [1, 2.5]}, "has the end 2.5, expected an integer"),
        ({"int": [False, True]}, "has the end False, expected an integer"),
    ],
)
def test_what_is_no_dimension_is_refused(entry: Any, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        dimensions_of(spec_of(width=entry))


@pytest.mark.parametrize(
    ("metric", "is_minimised", "better"),
    [("validation_loss", True, 1.0), ("answer_correctness", False, 2.0), ("repetition", True, 1.0)],
)
def test_the_direction_is_the_declared_one(metric: str, is_minimised: bool, better: float) -> None:
    objective = objective_of(SweepSpec(metric=metric))

    assert objective.is_minimised is is_minimised
    assert min([1.0, 2.0], key=objective.key) == better
    assert objective.is_evaluated is (metric != "validation_loss")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"metric": "accuracy"},
            "metric 'accuracy' is not known, there are: validation_loss, answer_correct",
        ),
        ({"metric": "trace_num_tokens"}, "neither more nor less is better"),
        (
            {"metric": "answer_correctness", "evaluation_set": "test"},
            "choose by what the choice is judged by",
        ),
        ({"metric": "answer_correctness", "evaluation_set": "golden-v2.test"}, "take `validation`"),
    ],
)
def test_what_cannot_be_searched_by_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        objective_of(SweepSpec.model_validate(changes))


def test_a_trial_survives_its_row() -> None:
    trial = Trial.model_validate(TRIAL)

    (row,) = TRIALS_SCHEMA.table([trial.to_row()]).to_pylist()

    assert Trial.from_row(row) == trial


@pytest.mark.parametrize("status", ["waiting", "running", "pruned"])
def test_only_a_complete_trial_has_a_metric(status: str) -> None:
    with pytest.raises(ValidationError, match=rf"trial 3 is {status} with metric 1\.5"):
        Trial.model_validate({**TRIAL, "status": status})
    with pytest.raises(ValidationError, match="trial 3 is complete with metric None"):
        Trial.model_validate({**TRIAL, "metric": None})


def test_a_failed_trial_says_why() -> None:
    with pytest.raises(ValidationError, match="trial 3 is failed with reason None"):
        Trial.model_validate({**TRIAL, "status": "failed", "metric": None})


def test_a_budget_makes_no_other_sweep() -> None:
    base = RunIdentity(
        dataset_version="golden-v2",
        dataset_digest="1" * 64,
        export_digest="2" * 64,
        tokens_digest="3" * 64,
        template="reasoning_tags",
        train=TrainConfig(recipe="swept"),
        code_version="of the test",
    )
    spec = SweepSpec()
    identity = SweepIdentity(base=base, spec=spec)

    def changed(**changes: Any) -> str:
        return SweepIdentity(base=base, spec=spec.model_copy(update=changes)).fingerprint()

    assert changed(budget_minutes=5.0, retry_failed=True) == identity.fingerprint()
    assert changed(num_trials=7) != identity.fingerprint()
    assert identity.sweep_id() == f"golden-v2.swept.{identity.fingerprint()[:10]}"
