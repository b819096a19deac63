"""A causal language model of transformers, trained by torch: forward, backward, clip, AdamW.

Nothing of this package and no JAX is imported here: an interpreter with torch, transformers and numpy can run
it. Data order, schedule, files and reports are the business of its callers.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

INSTALL = "uv sync --extra torch"
_DROPOUT = re.compile("dropout$|pdrop$")


class TorchNotInstalled(ImportError):
    """torch cannot be imported here."""


class Rows(NamedTuple):
    """What a step reads; every array has shape (batch, length), as in `tunix_ml.training.data.Batch`."""

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    positions: np.ndarray


class StepResult(NamedTuple):
    """The loss in nats per supervised token, and the global norm of the gradient before clipping."""

    loss: float
    grad_norm: float


class NatsSum(NamedTuple):
    """Negative log-likelihood in nats over the supervised tokens, and their number."""

    nats: float
    num_supervised: float


class Moments(NamedTuple):
    """AdamW's running means of the gradient and of its square, under the tensors' names in the folder."""

    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]


class Adapter(NamedTuple):
    """Two matrices beside a product, y = x kernel + (x first) second * scale, trained in its stead.

    Attributes:
        module: path of the product in the model, `model.layers.0.mlp.up_proj`.
        part: which of `num_parts` equal parts of the outputs it adds to.
        first: shape (inputs, rank).
        second: shape (rank, outputs of that part).
    """

    module: str
    part: int
    num_parts: int
    scale: float
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, kw_only=True)
class TorchSettings:
    """How a TorchTrainer works.

    Attributes:
        device: as torch names it, `cpu` or `cuda:0`.
        precision: of the products, `float32` or `bfloat16` through torch's autocast; parameters are float32.
        num_parts: parts that a step's rows are worked through in.
        remat: compute activations again instead of keeping them.
    """

    device: str = "cpu"
    precision: str = "float32"
    num_parts: int = 1
    remat: bool = False
    weight_decay: float = 0.0
    adam_b1: float = 0.9
    adam_b2: float = 0.999
    grad_clip_norm: float = 1.0


class TorchTrainer:
    """A model from a Hugging Face folder, and its AdamW; every step changes both.

    With adapters it is they that are trained, named with `.lora_a` and `.lora_b`; the model stays as it is.
    """

    def __init__(
        self, folder: Path, settings: TorchSettings, adapters: Mapping[str, Adapter] | None = None
    ) -> None:
        self.torch = import_torch()
        self.settings = settings
        self.model = load_model(folder, device=settings.device)
        if settings.remat:
            name = "activation_checkpointing_enable"  # of transformers 5.23, not of 5.12
            getattr(self.model, name, self.model.gradient_checkpointing_enable)()
        # One that is used twice stands among the named parameters once.
        self.parameters = self._adapt(adapters) if adapters else dict(self.model.named_parameters())
        self.optimizer = self._make_optimizer()

    def train(self, rows: Rows, *, learning_rate: float) -> StepResult:
        """Do one step."""
        self.model.train()
        total = float(rows.weights.sum())
        nats = self.torch.zeros((), device=self.settings.device)
        for part in _parts(rows, self.settings.num_parts):
            part_nats = self._nats(part)
            (part_nats / total).backward()
            nats += part_nats.detach()
        norm = self._clip()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return StepResult(float(nats) / total, float(norm))

    def evaluate(self, rows: Rows) -> NatsSum:
        """Return the loss of some rows as a sum, for means over several batches."""
        self.model.eval()
        with self.torch.no_grad():
            return NatsSum(float(self._nats(rows)), float(rows.weights.sum()))

    def tensors(self) -> dict[str, np.ndarray]:
        """Return a copy of what is trained: parameters under their names in the folder, or adapters."""
        return {name: _array(value) for name, value in self.parameters.items()}

    def moments(self) -> Moments:
        """Return a copy of AdamW's moments; they are zero before the first step."""
        found = [
            {name: self._moment(name, value, kind) for name, value in self.parameters.items()}
            for kind in ("exp_avg", "exp_avg_sq")
        ]
        return Moments(*found)

    def restore_moments(self, moments: Moments, *, num_steps: int) -> None:
        """Go on as after `num_steps` steps that left these moments."""
        for name, value in self.parameters.items():
            self.optimizer.state[value] = {
                "step": self.torch.tensor(float(num_steps)),
                "exp_avg": self._tensor(moments.first[name]),
                "exp_avg_sq": self._tensor(moments.second[name]),
            }

    def _adapt(self, adapters: Mapping[str, Adapter]) -> dict[str, Any]:
        """Put adapters beside their products, and return their matrices by name."""
        self.model.requires_grad_(False)
        trained: dict[str, Any] = {}
        for name, adapter in adapters.items():
            first, second = (
                self._tensor(matrix).requires_grad_() for matrix in (adapter.first, adapter.second)
            )
            product = self.model.get_submodule(adapter.module)
            product.register_forward_hook(self._addition(adapter, first, second))
            trained |= {f"{name}.lora_a": first, f"{name}.lora_b": second}
        return trained

    def _addition(self, adapter: Adapter, first: Any, second: Any) -> Callable[[Any, Any, Any], Any]:
        """Return a forward hook that adds to a product's outputs what an adapter makes of its inputs."""
        width = second.shape[1]
        before, after = adapter.part * width, (adapter.num_parts - 1 - adapter.part) * width

        def add(_: Any, inputs: Any, outputs: Any) -> Any:
            added = (inputs[0] @ first) @ second * adapter.scale
            return outputs + self.torch.nn.functional.pad(added, (before, after))

        return add

    def _make_optimizer(self) -> Any:
        settings = self.settings
        matrices = [value for value in self.parameters.values() if value.ndim > 1]
        vectors = [value for value in self.parameters.values() if value.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},  # norms and biases are spared
        ]
        return self.torch.optim.AdamW(
            groups, lr=0.0, betas=(settings.adam_b1, settings.adam_b2), eps=1e-8, foreach=True
        )

    def _nats(self, rows: Rows) -> Any:
        """Return the weighted negative log-likelihood of the targets.

        transformers sees from positions that begin again where one example of a row ends, and lets none see
        another; it does so only without a mask and without a cache.
        """
        torch, settings = self.torch, self.settings
        device_type = settings.device.partition(":")[0]
        with torch.autocast(device_type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits = self.model(
                input_ids=self._ids(rows.inputs), position_ids=self._ids(rows.positions), use_cache=False
            ).logits
        nats = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), self._ids(rows.targets).flatten(), reduction="none"
        )
        return (nats * self._tensor(rows.weights).flatten()).sum()

    def _clip(self) -> Any:
        """Scale the gradients down to the largest norm, and return the norm they had."""
        gradients = [value.grad for value in self.parameters.values()]
        norm = self.torch.nn.utils.get_total_norm(gradients, foreach=True)
        scale = self.torch.clamp(self.settings.grad_clip_norm / norm, max=1.0)
        self.torch._foreach_mul_(gradients, scale)
        return norm

    def _moment(self, name: str, value: Any, kind: str) -> np.ndarray:
        state = self.optimizer.state.get(value)
        return _array(state[kind]) if state else np.zeros(tuple(self.parameters[name].shape), np.float32)

    def _ids(self, array: np.ndarray) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.settings.device)

    def _tensor(self, array: np.ndarray) -> Any:
        return self.torch.tensor(np.ascontiguousarray(array, np.float32), device=self.settings.device)


def import_torch() -> Any:
    """Return the module `torch`.

    Raises:
        TorchNotInstalled: it is not there; the message names the command that installs it.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise TorchNotInstalled(f"torch is not installed: install it with `{INSTALL}`") from error


def load_model(folder: Path, *, device: str) -> Any:
    """Return the model of a folder, in float32 and without dropout, which GPT-2 has by default."""
    transformers = importlib.import_module("transformers")
    local = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(folder, **local)
    for name in [name for name in vars(config) if _DROPOUT.search(name)]:
        setattr(config, name, 0.0)
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=import_torch().float32, **local
    ).to(device)


def _parts(rows: Rows, num_parts: int) -> Iterator[Rows]:
    """Yield the rows in equal parts."""
    pieces = [np.array_split(array, num_parts) for array in rows]
    yield from (Rows(*part) for part in zip(*pieces, strict=True))


def _array(tensor: Any) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy().copy()
    return array
