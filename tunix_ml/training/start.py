"""What the identity of a run comes down to, and the parameters it starts or goes on with."""

from pathlib import Path
from typing import Literal, NamedTuple

import jax

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import CheckpointMeta, RunIdentity
from tunix_ml.modeling.base_model import check_tokenizer, fetch_base_model
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.huggingface import load_config, load_model
from tunix_ml.snapshot import Snapshot
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.data import TokenRows, read_rows
from tunix_ml.training.placement import Placement
from tunix_ml.training.plan import network_of, plan_steps
from tunix_ml.training.step import TrainState, abstract_state, init_state

_TOKENIZER_FOLDER = "tokenizer"


class Plan(NamedTuple):
    """What a run trains, for how many steps, on what, and the folder of the model it fine-tunes."""

    network: Network
    num_steps: int
    train_rows: TokenRows
    held_out: TokenRows
    base: Path | None


class Start(NamedTuple):
    """A state, the parameters no step changes, and what the state's checkpoint says, if it has one."""

    state: TrainState
    frozen: Params
    meta: CheckpointMeta | None

    @property
    def params(self) -> Params:
        """All parameters."""
        return {**self.frozen, **self.state.params}


def make_plan(
    identity: RunIdentity,
    tokens: Snapshot,
    *,
    placement: Placement,
    remat: Literal["auto", "on", "off"] = "auto",
) -> Plan:
    """Read the rows and work out the rest.

    Raises:
        ContractError: the base model is missing or not the one the run began with, or the identity
            contradicts itself or its tokens.
    """
    config, base = identity.train, find_base(identity, tokens)
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    path = tokens.file("tokens.parquet")
    train_rows = read_rows(path, "train", seq_len=manifest.seq_len)
    held_out = read_rows(path, "validation", seq_len=manifest.seq_len)
    platform = placement.mesh.devices.flat[0].platform
    network = network_of(
        config, manifest, base=load_config(base) if base else None, remat=remat, platform=platform
    )
    return Plan(network, plan_steps(config, train_rows.examples_per_row), train_rows, held_out, base)


def start_at(
    step: int | None, *, plan: Plan, identity: RunIdentity, placement: Placement, checkpoints: Checkpoints
) -> Start:
    """Return the state after a step that has a sound checkpoint, or a fresh one.

    Parameters that no step changes lie in no checkpoint, they come from the base model.
    """
    config, network, num_steps = identity.train, plan.network, plan.num_steps
    frozen: dict[str, jax.Array] = {}
    if step is None or network.lora:
        base = load_model(plan.base).params if plan.base else None
        state, frozen = init_state(network, config, num_steps=num_steps, placement=placement, base=base)
    if step is None:
        return Start(state, frozen, None)
    like = abstract_state(network, config, num_steps=num_steps, placement=placement)
    state, meta = checkpoints.restore(step, like=like)
    return Start(state, frozen, meta)


def find_base(identity: RunIdentity, tokens: Snapshot) -> Path | None:
    """Return the folder of the model that a run fine-tunes, None if it trains from nothing.

    Raises:
        ContractError: it is missing, not the one the run began with, or has another tokenizer.
    """
    name = identity.train.base_model
    if not name:
        return None
    found = fetch_base_model(name)
    if found.digest != identity.base_model_digest:
        raise ContractError(
            f"base model {name!r} has content {found.digest}, the run is of {identity.base_model_digest}"
        )
    check_tokenizer(found.folder, tokens.path / _TOKENIZER_FOLDER)
    return found.folder
