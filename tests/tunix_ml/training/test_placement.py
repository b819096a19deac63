from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.training.devices import DeviceNotFound
from tunix_ml.training.placement import Placement, make_placement


class State(NamedTuple):
    step: Any
    params: Any
    opt_state: Any


def on_mesh(*, fsdp: int, tp: int) -> Placement:
    """A placement over a mesh of imagined devices: it can say where arrays go, not put them there."""
    mesh = AbstractMesh((fsdp, tp), ("fsdp", "tp"), axis_types=(AxisType.Auto, AxisType.Auto))
    return Placement(mesh)  # type: ignore[arg-type]


def shapes(**sizes: tuple[int, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct(size, "float32") for name, size in sizes.items()}


def axes(placement: Placement, name: str, *size: int) -> tuple[str | None, ...]:
    return tuple(placement.params(shapes(**{name: size}))[name].spec)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("model.embed_tokens.embedding", (400, 16), ("tp", "fsdp")),
        ("model.layers.3.self_attn.q_proj.kernel", (16, 32), ("fsdp", "tp")),
        ("model.layers.3.self_attn.v_proj.bias", (32,), ("tp",)),
        ("model.layers.3.self_attn.o_proj.kernel", (32, 16), ("tp", "fsdp")),
        ("model.layers.3.self_attn.o_proj.bias", (16,), (None,)),
        ("model.layers.3.mlp.gate_proj.kernel", (16, 48), ("fsdp", "tp")),
        ("model.layers.3.mlp.down_proj.kernel", (48, 16), ("tp", "fsdp")),
        ("model.layers.3.mlp.up_proj.lora_a", (16, 4), ("fsdp", None)),
        ("model.layers.3.mlp.up_proj.lora_b", (4, 48), (None, "tp")),
        ("model.layers.3.mlp.down_proj.lora_a", (48, 4), ("tp", None)),
        ("model.layers.3.mlp.down_proj.lora_b", (4, 16), (None, "fsdp")),
        ("model.layers.3.input_layernorm.scale", (16,), (None,)),
        ("lm_head.kernel", (16, 400), ("fsdp", "tp")),
    ],
)
def test_each_parameter_lies_where_its_name_says(
    name: str, shape: tuple[int, ...], expected: tuple[str | None, ...]
) -> None:
    assert axes(on_mesh(fsdp=2, tp=4), name, *shape) == expected


def test_the_layers_of_a_stack_are_not_shared() -> None:
    placement = on_mesh(fsdp=2, tp=2)

    assert axes(placement, "model.layers.mlp.up_proj.kernel", 8, 16, 48) == (None, "fsdp", "tp")
    assert axes(placement, "model.layers.self_attn.q_proj.bias", 8, 32) == (None, "tp")
    assert axes(placement, "model.layers.input_layernorm.scale", 8, 16) == (None, None)


def test_a_dimension_that_its_axis_does_not_divide_is_not_shared() -> None:
    assert axes(on_mesh(fsdp=2, tp=4), "model.embed_tokens.embedding", 50_257, 16) == (None, "fsdp")
    assert axes(on_mesh(fsdp=2, tp=4), "model.layers.0.mlp.up_proj.kernel", 15, 48) == (None, "tp")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("num_layers", [1, 8])
def test_no_matrix_of_a_decoder_is_held_whole_by_every_device(tied: bool, num_layers: int) -> None:
    config = ModelConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=32,
        tie_word_embeddings=tied,
    )

    placed = on_mesh(fsdp=2, tp=2).params(Network(config).abstract_params())

    whole = [name for name, place in placed.items() if not any(place.spec)]
    assert all(name.endswith((".scale", ".bias")) for name in whole)


def test_moments_lie_as_their_parameters_and_counters_everywhere() -> None:
    params = shapes(**{"model.layers.0.mlp.up_proj.kernel": (16, 48)})
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.constant_schedule(1e-3)))
    abstract = State(jax.ShapeDtypeStruct((), "int32"), params, jax.eval_shape(optimizer.init, params))

    placed = on_mesh(fsdp=2, tp=2).state(abstract)

    specs = [place.spec for place in jax.tree.leaves(placed.opt_state)]
    assert sorted(specs, key=len) == [PartitionSpec(), PartitionSpec(), *[PartitionSpec("fsdp", "tp")] * 2]
    assert placed.step.spec == PartitionSpec()
    assert jax.tree.structure(placed) == jax.tree.structure(abstract)


def test_sums_over_rows_and_columns_lie_everywhere() -> None:
    params = shapes(**{"model.layers.0.mlp.up_proj.kernel": (256, 128)})
    optimizer = optax.adafactor(1e-3)
    abstract = State(jax.ShapeDtypeStruct((), "int32"), params, jax.eval_shape(optimizer.init, params))

    placed = on_mesh(fsdp=2, tp=2).state(abstract)

    assert all(place.spec == PartitionSpec() for place in jax.tree.leaves(placed.opt_state))


def test_one_device_is_a_mesh_of_one() -> None:
    placement = make_placement(ExecutionConfig(device="cpu"))

    assert placement.num_devices == 1
    assert placement.describe() == "cpu"
    assert placement.is_writer


def test_a_batch_comes_back_from_the_mesh_as_it_was() -> None:
    placement = make_placement(ExecutionConfig(device="cpu"))
    batch = (np.arange(12).reshape(4, 3), np.ones((4, 3), np.float32))

    placed = placement.put_batch(batch)
    fetched = placement.fetch(placed)

    assert all(array.sharding == placement.rows for array in placed)
    assert all(np.array_equal(before, after) for before, after in zip(batch, fetched, strict=True))


def test_rows_that_cannot_be_shared_evenly_are_an_error() -> None:
    batch = {"inputs": np.zeros((6, 3))}

    with pytest.raises(ContractError, match=r"^batch_size 6 is not a multiple of mesh_fsdp 4$"):
        on_mesh(fsdp=4, tp=1).put_batch(batch)


def test_a_mesh_of_more_devices_than_there_are_is_an_error() -> None:
    num_devices = jax.device_count() + 1

    with pytest.raises(DeviceNotFound, match=f"asks for {num_devices} devices 'auto'; this machine has: "):
        make_placement(ExecutionConfig(mesh_fsdp=num_devices))
