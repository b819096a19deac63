"""Low-rank adapters: which products have one, apart from the base, merged into it, and in PEFT's files.

What an adapter computes is the decoder's business: y = x kernel + (x lora_a) lora_b * alpha / rank.
Source: https://arxiv.org/abs/2106.09685.
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.families import Family
from tunix_ml.modeling.tensors import Place, place_of

if TYPE_CHECKING:
    from tunix_ml.modeling.decoder import Network, Params

ADAPTER_CONFIG_FILE = "adapter_config.json"
ADAPTER_WEIGHTS_FILE = "adapter_model.safetensors"
_SUFFIXES = {".lora_a": ".lora_A.weight", ".lora_b": ".lora_B.weight"}
_PREFIX = "base_model.model."
_HEAD = "lm_head"  # whose kernel the loss and the decoding read by itself
_MOST_NAMES_IN_ERROR = 5

# What each of PEFT's settings must be for an adapter to be the sum above and no more.
_SUPPORTED: dict[str, object] = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "use_rslora": False,
    "fan_in_fan_out": False,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "lora_bias": False,
}

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Which products get an adapter, and its size.

    Attributes:
        rank: inner width of an adapter.
        alpha: an adapter's part is scaled by alpha / rank.
        targets: regular expression that the last component of a product's module path matches in full.

    Raises:
        ContractError: the targets are no regular expression.
    """

    rank: int
    alpha: float
    targets: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.targets)
        except re.error as error:
            raise ContractError(f"lora_targets {self.targets!r} is no regular expression: {error}") from error

    @property
    def scale(self) -> float:
        """What an adapter's part is multiplied by."""
        return self.alpha / self.rank

    def covers(self, module: str) -> bool:
        """Say whether the product of a dotted module path gets an adapter; the head never does."""
        name = module.rpartition(".")[2]
        return name != _HEAD and re.fullmatch(self.targets, name) is not None


class LoadedAdapter(NamedTuple):
    """A base's network with the adapters of a folder, and their parameters without the base's."""

    network: "Network"
    params: "Params"


def is_adapter(name: str) -> bool:
    """Say whether a parameter belongs to an adapter."""
    return name.endswith(tuple(_SUFFIXES))


def split(params: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return the parameters that are trained and those that are not: adapters and base, or all and none."""
    adapters = {name: value for name, value in params.items() if is_adapter(name)}
    if not adapters:
        return dict(params), {}
    return adapters, {name: value for name, value in params.items() if not is_adapter(name)}


def fresh_adapters(key: jax.Array, shapes: Mapping[str, jax.ShapeDtypeStruct]) -> "Params":
    """Return adapters that change nothing yet: the first matrix random, the second zero.

    Args:
        key: of the random numbers.
        shapes: of the adapters' parameters by name, stacked or not.
    """
    adapters: dict[str, jax.Array] = {}
    for index, (name, shape) in enumerate(sorted(shapes.items())):
        if name.endswith(".lora_a"):
            drawn = jax.random.normal(jax.random.fold_in(key, index), shape.shape)
            adapters[name] = drawn / math.sqrt(shape.shape[-2])
        else:
            adapters[name] = jnp.zeros(shape.shape)
    return adapters


def merge(params: "Params", lora: LoraConfig) -> "Params":
    """Return parameters without adapters that compute the same, of equal shapes and names as the base's."""
    adapters, merged = split(params)
    for name in adapters:
        module, _, kind = name.rpartition(".")
        if kind == "lora_a":
            product = jnp.matmul(params[name], params[f"{module}.lora_b"], precision="highest")
            merged[f"{module}.kernel"] = params[f"{module}.kernel"] + lora.scale * product
    return merged


def save_adapter(folder: Path, *, network: "Network", params: "Params", base_model: str) -> None:
    """Write adapters in PEFT's layout; the same values give the same bytes.

    Args:
        folder: an existing folder.
        network: of the parameters, with its `lora`.
        params: the adapters under their names; others are left out.
        base_model: folder or hub name that a reader finds the base under.

    Raises:
        ContractError: the network has no adapters.
    """
    lora, family = lora_of(network), network.config.family
    adapters = network.unstack({name: value for name, value in params.items() if is_adapter(name)})
    fused = _by_tensor(adapters, family)
    tensors: dict[str, np.ndarray] = {}
    for tensor, modules in fused.items():
        tensors |= _fuse(tensor, modules, adapters, family)
    _write_config(folder / ADAPTER_CONFIG_FILE, lora, family, base_model=base_model, fused=fused)
    save_file(tensors, folder / ADAPTER_WEIGHTS_FILE, metadata={"format": "pt"})


def load_adapter(folder: Path, *, base: "Network") -> LoadedAdapter:
    """Read adapters from PEFT's layout.

    Args:
        folder: with the configuration and the tensors.
        base: the network they are for, without adapters.

    Raises:
        ContractError: the configuration asks for more than a low-rank sum, or the tensors are not those
            that the base has products for, one by one: GPT-2's files hold queries, keys and values as one.
    """
    tensors = load_file(folder / ADAPTER_WEIGHTS_FILE)
    params = {_flat_name(name): jnp.asarray(tensor.T, jnp.float32) for name, tensor in tensors.items()}
    lora = _read_config(folder / ADAPTER_CONFIG_FILE, targets="|".join(map(re.escape, _products(params))))
    network = dataclasses.replace(base, lora=lora)
    expected = {name: value for name, value in network.abstract_params().items() if is_adapter(name)}
    subject = str(folder / ADAPTER_WEIGHTS_FILE)
    try:
        params = network.stack(params)
    except KeyError as error:
        raise ContractError(f"{subject} has no adapter {error.args[0]}, but those of other layers") from error
    _check_shapes(params, expected, subject=subject)
    return LoadedAdapter(network, params)


def lora_of(network: "Network") -> LoraConfig:
    """Return which products of a network have adapters.

    Raises:
        ContractError: none has.
    """
    if network.lora is None:
        raise ContractError("the network has no adapters to save: its lora is None")
    return network.lora


def _by_tensor(adapters: Iterable[str], family: Family) -> dict[str, list[str]]:
    """Return the adapted modules by the module of the file that holds their kernels, in its parts' order."""
    modules = {name.rpartition(".")[0] for name in adapters}
    grouped: dict[str, list[str]] = {}
    for module in sorted(modules, key=lambda name: _place(name, family).part):
        grouped.setdefault(_place(module, family).tensor.removesuffix(".weight"), []).append(module)
    return grouped


def _place(module: str, family: Family) -> Place:
    return place_of(f"{module}.kernel", family)


def _fuse(tensor: str, modules: list[str], adapters: "Params", family: Family) -> dict[str, np.ndarray]:
    """Return what PEFT keeps for a module: several adapters become one, of as many times the rank.

    Its second matrix leads each of them to its own part of the outputs, and to no other.
    """
    first = [np.asarray(adapters[f"{module}.lora_a"]).T for module in modules]
    second = [np.asarray(adapters[f"{module}.lora_b"]).T for module in modules]
    num_out, rank = second[0].shape
    whole = np.zeros((num_out * _place(modules[0], family).num_parts, rank * len(modules)), np.float32)
    for index, (module, matrix) in enumerate(zip(modules, second, strict=True)):
        part = _place(module, family).part
        whole[part * num_out : (part + 1) * num_out, index * rank : (index + 1) * rank] = matrix
    name = f"{_PREFIX}{tensor}"
    return {
        f"{name}.lora_A.weight": np.ascontiguousarray(np.concatenate(first)),
        f"{name}.lora_B.weight": whole,
    }


def _write_config(
    path: Path, lora: LoraConfig, family: Family, *, base_model: str, fused: Mapping[str, list[str]]
) -> None:
    is_gpt2 = family.positions == "learned"  # its kernels stand input first, and two have the name c_proj
    num_components = 2 if is_gpt2 else 1
    several = {_ending(tensor, 2): len(modules) for tensor, modules in fused.items() if len(modules) > 1}
    config = {
        **_SUPPORTED,
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "rank_pattern": {name: lora.rank * count for name, count in several.items()},
        "alpha_pattern": {name: lora.alpha * count for name, count in several.items()},
        "lora_dropout": 0.0,
        "target_modules": sorted({_ending(tensor, num_components) for tensor in fused}),
        "fan_in_fan_out": is_gpt2,
        "inference_mode": True,
        "init_lora_weights": True,
    }
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _ending(name: str, num_components: int) -> str:
    return ".".join(name.split(".")[-num_components:])


def _read_config(path: Path, *, targets: str) -> LoraConfig:
    values: dict[str, Any] = json.loads(path.read_bytes())
    for name, expected in _SUPPORTED.items():
        if (values.get(name) or expected) != expected:
            raise ContractError(f"{path}: {name} {values[name]!r} is not supported, {expected!r} is")
    missing = [name for name in ("r", "lora_alpha") if name not in values]
    if missing:
        raise ContractError(f"{path} has no {missing[0]!r}")
    return LoraConfig(rank=values["r"], alpha=values["lora_alpha"], targets=targets)


def _check_shapes(found: "Params", expected: Mapping[str, jax.ShapeDtypeStruct], *, subject: str) -> None:
    differing = sorted(
        name
        for name in found.keys() | expected.keys()
        if name not in found or name not in expected or found[name].shape != expected[name].shape
    )
    if differing:
        listed = ", ".join(differing[:_MOST_NAMES_IN_ERROR])
        raise ContractError(
            f"{subject} does not fit the base: {len(differing)} adapters are missing, unknown or of another"
            f" shape, among them {listed}"
        )


def _products(names: Iterable[str]) -> list[str]:
    """Return the last components of the modules that have adapters."""
    return sorted({_ending(name.rpartition(".")[0], 1) for name in names})


def _flat_name(tensor_name: str) -> str:
    for kind, suffix in _SUFFIXES.items():
        if tensor_name.startswith(_PREFIX) and tensor_name.endswith(suffix):
            return f"{tensor_name.removeprefix(_PREFIX).removesuffix(suffix)}{kind}"
    raise ContractError(f"{tensor_name!r} is no tensor of an adapter as PEFT names them")
