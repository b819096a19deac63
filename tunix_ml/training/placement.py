"""Where each array of a run lies: a mesh with the axes `fsdp` and `tp`, and rules by parameter name.

One device is a mesh of one by one, so training knows a single way to place arrays. The rows of a batch are
shared along `fsdp`, and with them the parameters and the optimizer's state; `tp` shares each product.
Which devices there are is the business of `devices`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.training.devices import choose_devices, describe_device

Tree = TypeVar("Tree")
Shapes = Mapping[str, jax.ShapeDtypeStruct]
Axes = tuple[str | None, ...]

FSDP, TP = "fsdp", "tp"

# The first pattern found in a parameter's name says which mesh axis shares each of its last dimensions;
# dimensions before them, such as the layers of a stack, are not shared. Products that widen the residual
# stream give their outputs to `tp`, products that lead back to it their inputs: one sum per pair crosses
# devices. Source: https://arxiv.org/abs/1909.08053, section 3.
_WIDENING = r"(q|k|v|qkv|gate|up|fc_in)_proj"
_NARROWING = r"(o|down|out|fc_out)_proj"
_RULES: tuple[tuple[str, Axes], ...] = (
    (r"embed_positions\.embedding$", (None, FSDP)),
    (r"\.embedding$", (TP, FSDP)),
    (rf"{_WIDENING}\.kernel$", (FSDP, TP)),
    (rf"{_WIDENING}\.bias$", (TP,)),
    (rf"{_WIDENING}\.lora_a$", (FSDP, None)),
    (rf"{_WIDENING}\.lora_b$", (None, TP)),
    (rf"{_NARROWING}\.kernel$", (TP, FSDP)),
    (rf"{_NARROWING}\.lora_a$", (TP, None)),
    (rf"{_NARROWING}\.lora_b$", (None, FSDP)),
    (r"lm_head\.kernel$", (FSDP, TP)),
)


@dataclass(frozen=True)
class Placement:
    """The devices of a run and what each of them holds.

    Attributes:
        mesh: its axes are `fsdp` and `tp`, in this order.
    """

    mesh: Mesh

    @property
    def num_devices(self) -> int:
        """Devices of the mesh, those of other processes included."""
        return int(self.mesh.size)

    @property
    def is_writer(self) -> bool:
        """Whether this process is the one that writes the run's files."""
        return jax.process_index() == 0

    @property
    def replicated(self) -> NamedSharding:
        """The whole array on every device."""
        return self._shared()

    @property
    def rows(self) -> NamedSharding:
        """The first dimension shared along `fsdp`: what each array of a batch has."""
        return self._shared(FSDP)

    def params(self, abstract_params: Shapes) -> dict[str, NamedSharding]:
        """Return the place of each parameter; a dimension that its axis does not divide is not shared."""
        return {name: self._place(name, value.shape) for name, value in abstract_params.items()}

    def state(self, abstract_state: Tree) -> Tree:
        """Return the place of each array of a training state, in the state's own structure.

        Arrays of the optimizer lie as the parameter whose name ends their path and whose shape they have,
        all others on every device: counters, and the sums over rows and columns that Adafactor keeps.

        Args:
            abstract_state: shapes and types; its attribute `params` holds the parameters by name.
        """
        shapes: Shapes = abstract_state.params  # type: ignore[attr-defined]
        params = self.params(shapes)

        def place(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> NamedSharding:
            name = str(getattr(path[-1], "key", ""))
            return params[name] if name in shapes and leaf.shape == shapes[name].shape else self.replicated

        placed: Tree = jax.tree.map_with_path(place, abstract_state)
        return placed

    def put_batch(self, batch: Tree) -> Tree:
        """Return the host arrays of a batch as arrays of the mesh, their rows shared.

        Raises:
            ContractError: `fsdp` does not divide the number of rows.
        """
        leaves, structure = jax.tree.flatten(batch)
        self.check_batch_size(leaves[0].shape[0])
        placed: Tree = jax.tree.unflatten(structure, self.put(leaves, [self.rows] * len(leaves)))
        return placed

    def put(self, tree: Tree, shardings: Any) -> Tree:
        """Return host arrays as arrays of the mesh.

        In several processes each one holds the whole arrays and contributes what its own devices keep.

        Args:
            tree: host arrays.
            shardings: the place of each, in the same structure.
        """
        placed: Tree
        if self._is_spread:
            placed = jax.tree.map(_contribute, tree, shardings)
        else:
            placed = jax.device_put(tree, shardings)
        return placed

    def copy(self, array: jax.Array, sharding: NamedSharding) -> jax.Array:
        """Return an array at its place in memory of its own, which may be given away."""
        if self._is_spread:
            return _contribute(array, sharding)
        copied: jax.Array = jax.device_put(array, sharding, may_alias=False)
        return copied

    def fetch(self, tree: Tree) -> Tree:
        """Return arrays of the mesh as host arrays, whole in every process; all processes have to ask."""
        if self._is_spread:
            tree = jax.jit(lambda arrays: arrays, out_shardings=self.replicated)(tree)
        fetched: Tree = jax.device_get(tree)
        return fetched

    def check_batch_size(self, batch_size: int) -> None:
        """Make sure that each device can have as many rows as the others.

        Raises:
            ContractError: `fsdp` does not divide the number of rows.
        """
        num_parts = self.mesh.shape[FSDP]
        if batch_size % num_parts:
            raise ContractError(f"batch_size {batch_size} is not a multiple of mesh_fsdp {num_parts}")

    def describe(self) -> str:
        """Return platform, kind and number of the devices: `gpu NVIDIA H200 x 8 (fsdp 4, tp 2)`."""
        device = describe_device(self.mesh.devices.flat[0])
        if self.num_devices == 1:
            return device
        fsdp, tp = self.mesh.shape[FSDP], self.mesh.shape[TP]
        return f"{device} x {self.num_devices} (fsdp {fsdp}, tp {tp})"

    @property
    def _is_spread(self) -> bool:
        """Whether some of the devices belong to other processes."""
        return not self.replicated.is_fully_addressable

    def _place(self, name: str, shape: tuple[int, ...]) -> NamedSharding:
        axes = next((axes for pattern, axes in _RULES if re.search(pattern, name)), ())
        not_shared = (None,) * (len(shape) - len(axes))
        sized = zip((*not_shared, *axes), shape, strict=True)
        return self._shared(
            *(axis if axis and size % self.mesh.shape[axis] == 0 else None for axis, size in sized)
        )

    def _shared(self, *axes: str | None) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]


def make_placement(execution: ExecutionConfig) -> Placement:
    """Return the placement that a run's execution asks for.

    Raises:
        DeviceNotFound: there are too few devices of the platform, or none.
    """
    devices = choose_devices(
        execution.device, num_devices=execution.mesh_fsdp * execution.mesh_tp, index=execution.device_index
    )
    shape = (execution.mesh_fsdp, execution.mesh_tp)
    return Placement(jax.make_mesh(shape, (FSDP, TP), (AxisType.Auto, AxisType.Auto), devices=devices))


def _contribute(array: Any, sharding: NamedSharding) -> jax.Array:
    host = np.asarray(array)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])
