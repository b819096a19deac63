import dataclasses
import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity, TrainConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.lora import LoraConfig
from tunix_ml.store import Store
from tunix_ml.training import step, torch_engine
from tunix_ml.training.data import Batch, TokenRows, indices_of_step, read_rows
from tunix_ml.training.devices import DeviceNotFound
from tunix_ml.training.loop import train
from tunix_ml.training.placement import Placement, make_placement
from tunix_ml.training.reproduce import reproduce
from tunix_ml.training.step import CompiledSteps, Initial, TrainState, init_state
from tunix_ml.training.torch_engine import EngineError, check_supported

NUM_STEPS = 20
SEQ_LEN = 256
CPU = ExecutionConfig(device="cpu")
RECIPE = TrainConfig(
    num_train_steps=NUM_STEPS, warmup_steps=3, batch_size=4, learning_rate=3e-3, weight_decay=0.1
)
SHAPE: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": SEQ_LEN,
}
LORA = LoraConfig(rank=4, alpha=8.0, targets="[qv]_proj|c_fc|(up|down)_proj")
GPT2 = SHAPE | {"model_type": "gpt2", "num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True}
ADAPTED = [
    pytest.param(Network(ModelConfig(**SHAPE), lora=LORA), id="llama"),
    pytest.param(Network(ModelConfig(**SHAPE | {"num_hidden_layers": 8}), lora=LORA), id="deep"),
    pytest.param(Network(ModelConfig(**GPT2), lora=LORA), id="gpt2, whose file holds q, k and v as one"),
]
has_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Torch with several threads collapses beside other work, and these models are tiny."""
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture
def rows(sums: Store) -> TokenRows:
    """Packed rows: most hold two examples."""
    path = sums.slot("tokenized_examples", "sums-v1").resolve().file("tokens.parquet")
    return read_rows(path, "train", seq_len=SEQ_LEN)


def batch_of_step(rows: TokenRows, number: int) -> Batch:
    indices = indices_of_step(number, num_rows=rows.num_rows, batch_size=RECIPE.batch_size, seed=0)
    return rows.batch(indices)


def start(network: Network, placement: Placement) -> TrainState:
    return begin(network, placement).state


def begin(network: Network, placement: Placement) -> Initial:
    """Return fresh parameters, or fresh adapters of fresh ones."""
    base = dataclasses.replace(network, lora=None).init(jax.random.key(1)) if network.lora else None
    return init_state(network, RECIPE, num_steps=NUM_STEPS, placement=placement, base=base)


def compiled(
    engine: Any, network: Network, placement: Placement, rows: TokenRows, state: TrainState, **execution: Any
) -> CompiledSteps:
    frozen = begin(network, placement).frozen
    steps: CompiledSteps = engine.compile_steps(
        network,
        RECIPE,
        num_steps=NUM_STEPS,
        execution=CPU.model_copy(update=execution),
        state=state,
        frozen=frozen,
        batch=batch_of_step(rows, 0),
        placement=placement,
    )
    return steps


def take(
    steps: CompiledSteps,
    state: TrainState,
    rows: TokenRows,
    placement: Placement,
    numbers: range,
    network: Network,
) -> tuple[TrainState, list[float], list[float]]:
    """Take some steps, and return the state after them, their losses and gradient norms."""
    losses, norms, frozen = [], [], begin(network, placement).frozen
    for number in numbers:
        batch = placement.put_batch(batch_of_step(rows, number))
        state, metrics = steps.train(state, frozen, batch)
        losses.append(float(metrics.loss))
        norms.append(float(metrics.grad_norm))
    return state, losses, norms


def run(engine: Any, network: Network, rows: TokenRows, **execution: Any) -> tuple[TrainState, list[float]]:
    placement = torch_engine.make_placement(RECIPE, CPU) if engine is torch_engine else make_placement(CPU)
    state = start(network, placement)
    steps = compiled(engine, network, placement, rows, state, **execution)
    state, losses, _ = take(steps, state, rows, placement, range(NUM_STEPS), network)
    return state, losses


@has_torch
@pytest.mark.parametrize(
    "shape",
    [
        SHAPE,
        SHAPE | {"tie_word_embeddings": False, "num_hidden_layers": 8},
        GPT2,
    ],
    ids=["llama", "untied and deep", "gpt2"],
)
def test_the_first_losses_are_those_of_jax_on_packed_rows(rows: TokenRows, shape: dict[str, Any]) -> None:
    network = Network(ModelConfig(**shape))

    _, ours = run(step, network, rows)
    _, theirs = run(torch_engine, network, rows)

    assert ours[-1] < ours[0]
    np.testing.assert_allclose(theirs, ours, atol=1e-4)  # sums in another order


@has_torch
@pytest.mark.parametrize("network", ADAPTED)
def test_adapters_are_trained_as_by_jax(rows: TokenRows, network: Network) -> None:
    ours, losses = run(step, network, rows)
    theirs, found = run(torch_engine, network, rows, gradient_accumulation_steps=2, remat="on")

    assert losses[-1] < losses[0]
    np.testing.assert_allclose(found, losses, atol=1e-4)  # sums in another order
    assert jax.tree.structure(ours) == jax.tree.structure(theirs.whole)  # type: ignore[attr-defined]
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(other, mine, atol=2e-3)  # AdamW divides by what is almost zero


@has_torch
def test_a_state_of_torch_is_the_state_of_jax(rows: TokenRows) -> None:
    network = Network(ModelConfig(**SHAPE))

    ours, _ = run(step, network, rows)
    theirs, _ = run(torch_engine, network, rows)

    assert jax.tree.structure(ours) == jax.tree.structure(theirs.whole)  # type: ignore[attr-defined]
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(other, mine, atol=2e-3)  # AdamW divides by what is almost zero


@has_torch
@pytest.mark.parametrize("lora", [None, LORA], ids=["whole", "adapters"])
def test_resumed_is_as_uninterrupted_bit_for_bit(rows: TokenRows, lora: LoraConfig | None) -> None:
    network = Network(ModelConfig(**SHAPE), lora=lora)
    placement = torch_engine.make_placement(RECIPE, CPU)
    fresh = start(network, placement)
    engine = functools.partial(compiled, torch_engine, network, placement, rows)

    state, losses, norms = take(engine(fresh), fresh, rows, placement, range(8), network)
    half, _, _ = take(engine(fresh), fresh, rows, placement, range(4), network)
    saved = jax.tree.map(np.array, half)
    resumed, late_losses, late_norms = take(engine(saved), saved, rows, placement, range(4, 8), network)

    assert (late_losses, late_norms) == (losses[4:], norms[4:])
    for mine, other in zip(jax.tree.leaves(state), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(mine, other)


@has_torch
def test_parts_of_a_step_add_up_to_the_whole(rows: TokenRows) -> None:
    network = Network(ModelConfig(**SHAPE))

    _, whole = run(torch_engine, network, rows)
    _, parts = run(torch_engine, network, rows, gradient_accumulation_steps=2, remat="on")

    np.testing.assert_allclose(parts, whole, atol=1e-4)


@has_torch
def test_the_validation_loss_is_that_of_jax(rows: TokenRows) -> None:
    network, placement = Network(ModelConfig(**SHAPE)), torch_engine.make_placement(RECIPE, CPU)
    state = start(network, placement)
    batch = batch_of_step(rows, 0)

    ours = step.loss_sum(network, state.params, batch)
    found = compiled(torch_engine, network, placement, rows, state).evaluate(state.params, {}, batch)

    assert float(found.num_supervised) == float(ours.num_supervised)
    assert float(found.nats) == pytest.approx(float(ours.nats), rel=1e-6)


@has_torch
def test_other_parameters_than_those_trained_are_not_evaluated(rows: TokenRows) -> None:
    network, placement = Network(ModelConfig(**SHAPE)), torch_engine.make_placement(RECIPE, CPU)
    state = start(network, placement)
    steps = compiled(torch_engine, network, placement, rows, state)

    with pytest.raises(ValueError, match="these are others"):
        steps.evaluate(dict(state.params), {}, batch_of_step(rows, 0))


@pytest.mark.parametrize(
    ("recipe", "execution", "what"),
    [
        ({"optimizer": "lion"}, {}, "optimizer 'lion'"),
        ({"dropout": 0.1}, {}, "dropout 0.1"),
        ({}, {"mesh_fsdp": 2}, "mesh_fsdp 2"),
        ({}, {"mesh_tp": 2}, "mesh_tp 2"),
        ({}, {"profile_dir": "here"}, "profile_dir 'here'"),
    ],
)
def test_what_it_does_not_do_is_refused(recipe: dict[str, Any], execution: dict[str, Any], what: str) -> None:
    with pytest.raises(EngineError, match=f"engine 'torch' does not do {what}: leave it out"):
        check_supported(TrainConfig(**recipe), ExecutionConfig(**execution))


def test_without_torch_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(EngineError, match="torch is not installed: install it with `uv sync --extra torch`"):
        torch_engine.make_placement(RECIPE, CPU)


@has_torch
def test_the_device_of_torch_is_told(identify: Callable[..., RunIdentity]) -> None:
    assert torch_engine.make_placement(RECIPE, CPU).describe() == "cpu + torch cpu"


@has_torch
@pytest.mark.parametrize("device", ["tpu", "gpu"])
def test_a_device_that_torch_does_not_see_is_an_error(device: Any) -> None:
    import torch

    if device == "gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU")

    with pytest.raises(DeviceNotFound, match=f"finds no device '{device}' of index 0; it has: cpu, gpu x 0"):
        torch_engine.make_placement(RECIPE, ExecutionConfig(device=device))


@has_torch
def test_a_run_of_torch_resumes_reproduces_its_loss_and_leaves_a_model(
    sums: Store, identify: Callable[..., RunIdentity]
) -> None:
    identity, whole = (identify(sums, engine="torch", recipe=name) for name in ("cut", "whole"))
    every_two = {"save_every_steps": 2, "eval_every_steps": 2, "log_every_steps": 1}
    execution = CPU.model_copy(update=every_two)

    def stop_there(line: str) -> None:
        if line.startswith("step 5/"):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(store=sums, identity=identity, execution=execution, report=stop_there)
    lines: list[str] = []
    record = train(store=sums, identity=identity, execution=execution, report=lines.append)
    expected = train(store=sums, identity=whole, execution=execution, report=lambda _: None)

    assert lines[0] == f"resuming {identity.run_id()} on cpu + torch cpu after step 4/6"
    assert (record.final_loss, record.validation_loss) == (expected.final_loss, expected.validation_loss)
    assert record.model_digest == expected.model_digest
    found = reproduce(store=sums, run_id=identity.run_id(), device="cpu")
    assert found.restored == found.exported == pytest.approx(record.validation_loss, rel=1e-6)


@has_torch
def test_a_run_of_torch_leaves_adapters_and_the_model_that_they_are_merged_into(
    trained: Any, adapt: Callable[..., RunIdentity]
) -> None:
    records, tensors = {}, {}
    for engine in ("jax", "torch"):
        identity = adapt(trained, engine=engine, recipe=engine)
        records[engine] = trained.train(identity)
        model = trained.store.run(identity.run_id()).slot("model").resolve().path
        tensors[engine] = load_file(model / "model.safetensors") | load_file(
            model / "adapter" / "adapter_model.safetensors"
        )

    assert records["torch"].final_loss == pytest.approx(records["jax"].final_loss, abs=1e-4)
    assert tensors["torch"].keys() == tensors["jax"].keys()
    for name, value in tensors["jax"].items():
        np.testing.assert_allclose(tensors["torch"][name], value, atol=2e-3)
    found = reproduce(store=trained.store, run_id=identity.run_id(), device="cpu")
    assert found.restored == pytest.approx(found.exported, rel=1e-6)
