"""What a run trains and for how long, worked out from its config before anything is compiled."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

import numpy as np

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import Precision, TrainConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.lora import LoraConfig, is_adapter
from tunix_ml.training.data import indices_of_step

_SHAPE_FIELDS = ("num_layers", "hidden_size", "num_heads", "intermediate_size", "rope_theta")
_LORA_FIELDS = ("lora_alpha", "lora_targets")


def plan_steps(config: TrainConfig, examples_per_row: np.ndarray) -> int:
    """Return the optimizer steps of a run, the smallest of its limits; `smoke_steps` overrides them all.

    Args:
        config: the limits.
        examples_per_row: examples in each row of the train split, shape (rows,).

    Raises:
        ContractError: the first step alone reads more than `max_examples`.
    """
    if config.smoke_steps is not None:
        return config.smoke_steps
    num_steps = min(config.num_train_steps, config.max_steps or config.num_train_steps)
    if config.max_examples is None:
        return num_steps
    num_examples = 0
    for step in range(num_steps):
        num_examples += _num_examples(step, config, examples_per_row)
        if num_examples > config.max_examples:
            return _at_least_one(step, config, num_examples)
    return num_steps


def network_of(
    config: TrainConfig,
    manifest: TokensManifest,
    *,
    base: ModelConfig | None = None,
    remat: Literal["auto", "on", "off"] = "auto",
    platform: str = "cpu",
) -> Network:
    """Return the decoder that a run trains.

    Args:
        config: precision, adapters, and the shape if there is no base model.
        manifest: of the tokens it is trained on.
        base: shape of the base model, which the config has to name.
        remat: of the run's execution.
        platform: of the run's devices; off the CPU, bfloat16 products have bfloat16 activations around them.

    Raises:
        ContractError: the config contradicts itself, or the tokens do not fit the base model.
    """
    _check_base(config, base)
    shape = _fresh_shape(config, manifest) if base is None else _fitting(base, manifest)
    network = Network(shape, precision=config.precision, activations=_activations(config, platform))
    return _with_adapters(dataclasses.replace(network, remat=remats(network, remat)), config)


def remats(network: Network, remat: Literal["auto", "on", "off"]) -> bool:
    """Return whether a network's activations are computed again in the gradient: if asked, in deep ones."""
    return network.is_deep if remat == "auto" else remat == "on"


def _activations(config: TrainConfig, platform: str) -> Precision:
    """A CPU works in float32 either way; on others bfloat16 halves what is read and written."""
    return config.precision if platform != "cpu" else "float32"


def _num_examples(step: int, config: TrainConfig, examples_per_row: np.ndarray) -> int:
    rows = indices_of_step(
        step, num_rows=len(examples_per_row), batch_size=config.batch_size, seed=config.seed
    )
    return int(examples_per_row[rows].sum())


def _at_least_one(num_steps: int, config: TrainConfig, num_examples: int) -> int:
    if num_steps == 0:
        raise ContractError(
            f"max_examples {config.max_examples} does not allow one step, whose {config.batch_size} rows"
            f" hold {num_examples}: raise it, or lower batch_size"
        )
    return num_steps


def _check_base(config: TrainConfig, base: ModelConfig | None) -> None:
    if bool(config.base_model) != (base is not None):
        raise ContractError(f"base_model is {config.base_model!r}, but the shape given for it is {base}")
    changed = _changed(config, _SHAPE_FIELDS) if base else []
    if changed:
        raise ContractError(
            f"base_model {config.base_model!r} has a shape of its own: leave {', '.join(changed)} out"
        )


def _fresh_shape(config: TrainConfig, manifest: TokensManifest) -> ModelConfig:
    if config.hidden_size % config.num_heads:
        raise ContractError(f"num_heads {config.num_heads} does not divide hidden_size {config.hidden_size}")
    return ModelConfig(
        vocab_size=manifest.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_heads,
        head_dim=config.hidden_size // config.num_heads,
        max_position_embeddings=manifest.seq_len,
        rope_theta=config.rope_theta,
    )


def _fitting(base: ModelConfig, manifest: TokensManifest) -> ModelConfig:
    """Return the shape of a base model that can read the tokens."""
    if manifest.seq_len > base.max_position_embeddings:
        raise ContractError(
            f"seq_len {manifest.seq_len} of the tokens is beyond the {base.max_position_embeddings} positions"
            " of the base model"
        )
    if manifest.vocab_size > base.vocab_size:
        raise ContractError(
            f"tokenizer {manifest.tokenizer!r} has {manifest.vocab_size} tokens, the base model only"
            f" {base.vocab_size}"
        )
    return base


def _with_adapters(network: Network, config: TrainConfig) -> Network:
    if not config.lora_rank:
        changed = _changed(config, _LORA_FIELDS)
        if changed:
            raise ContractError(f"lora_rank is 0, so nothing reads {', '.join(changed)}: leave it out")
        return network
    if not config.base_model:
        raise ContractError(f"lora_rank {config.lora_rank} needs a base_model that the adapters adapt")
    lora = LoraConfig(rank=config.lora_rank, alpha=config.lora_alpha, targets=config.lora_targets)
    adapted = dataclasses.replace(network, lora=lora)
    if not any(map(is_adapter, adapted.abstract_params())):
        raise ContractError(
            f"lora_targets {config.lora_targets!r} matches no product; there are {_products(network)}"
        )
    return adapted


def _products(network: Network) -> str:
    """Name the products that can have an adapter."""
    lora = LoraConfig(rank=1, alpha=1, targets=".*")
    kernels = filter(is_adapter, dataclasses.replace(network, lora=lora).abstract_params())
    return ", ".join(sorted({name.split(".")[-2] for name in kernels}))


def _changed(config: TrainConfig, names: Iterable[str]) -> list[str]:
    defaults = type(config).model_fields
    return [name for name in names if getattr(config, name) != defaults[name].default]
