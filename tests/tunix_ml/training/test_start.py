import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.placement import make_placement
from tunix_ml.training.start import Start, make_plan, start_at

CPU = make_placement(ExecutionConfig(device="cpu"))


def start(trained: Any, identity: RunIdentity, step: int | None) -> Start:
    tokens = trained.store.slot("tokenized_examples", "sums-v1").resolve()
    plan = make_plan(identity, tokens, placement=CPU)
    checkpoints = Checkpoints(trained.store.run(identity.run_id()).path / "checkpoints", 2, print)
    return start_at(step, plan=plan, identity=identity, placement=CPU, checkpoints=checkpoints)


def test_a_plan_says_what_is_trained_and_for_how_long(trained: Any, identify: Callable[..., Any]) -> None:
    tokens = trained.store.slot("tokenized_examples", "sums-v1").resolve()

    plan = make_plan(identify(trained.store, max_steps=3), tokens, placement=CPU)

    assert (plan.num_steps, plan.base) == (3, None)
    assert plan.network.config.hidden_size == 16
    assert (plan.train_rows.num_rows, plan.held_out.num_rows) == (12, 4)


def test_a_fresh_start_has_no_checkpoint_and_one_after_a_step_has(trained: Any) -> None:
    fresh, later = start(trained, trained.identity, None), start(trained, trained.identity, 4)

    assert fresh.meta is None
    assert later.meta
    assert (int(fresh.state.step), int(later.state.step), later.meta.step) == (0, 4, 4)
    assert fresh.frozen == later.frozen == {}
    jax.tree.map(lambda one, other: np.testing.assert_equal(one.shape, other.shape), fresh.state, later.state)


def test_a_fine_tuning_starts_with_the_base_model(trained: Any, adapt: Callable[..., RunIdentity]) -> None:
    base = load_model(trained.run.slot("model").resolve().path).params

    full = start(trained, adapt(trained, lora_rank=0), None)
    low_rank = start(trained, adapt(trained), None)

    for name, value in base.items():
        np.testing.assert_array_equal(full.params[name], value)
        np.testing.assert_array_equal(low_rank.frozen[name], value)
    assert full.frozen == {}
    assert len(low_rank.state.params) == 4


def test_another_base_model_than_the_run_began_with_is_refused(
    trained: Any, adapt: Callable[..., RunIdentity]
) -> None:
    identity = adapt(trained).model_copy(update={"base_model_digest": "0" * 64})

    with pytest.raises(ContractError, match=r"has content [0-9a-f]{64}, the run is of 0000"):
        start(trained, identity, None)


def test_a_base_model_with_another_tokenizer_is_refused(
    trained: Any, adapt: Callable[..., RunIdentity], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(trained.run.slot("model").resolve().path, other)
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace("<|pad|>", "<|hole|>"))

    with pytest.raises(ContractError, match="not made with the tokenizer of base model"):
        start(trained, adapt(trained, folder=other), None)
