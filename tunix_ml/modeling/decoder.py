"""The decoder-only transformer: one Flax NNX module for all families, over a flat dict of parameters.

Training and decoding call it through `Network`, so that what crosses a `jax.jit` border is a plain dict
of arrays under the names of Hugging Face's Llama tensors.
"""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tunix_ml.modeling.config import LayerKind
from tunix_ml.modeling.layers import Attending, Dropout, Layer, LayerCache, Linear, Setup
from tunix_ml.modeling.norms import make_norm
from tunix_ml.modeling.products import product
from tunix_ml.modeling.rotary import rotary_angles

__all__ = [
    "Cache",
    "Decoder",
    "Dropout",
    "LayerCache",
    "Network",
    "Output",
    "Params",
    "num_params",
    "segment_mask",
]

Params = dict[str, jax.Array]
Value = TypeVar("Value", jax.Array, np.ndarray)
Cache = tuple[LayerCache, ...]

# From here on a loop over the layers saves more in compilation than its slower steps cost.
STACK_FROM_NUM_LAYERS = 8
_EMBEDDING_STDDEV = 0.02
_LAYERS = "model.layers."
_OF_ONE_LAYER = re.compile(rf"{re.escape(_LAYERS)}(\d+)\.(.+)")


class Output(NamedTuple):
    """Hidden states of shape (batch, length, hidden_size), and the cache with this input written in."""

    hidden: jax.Array
    cache: Cache | None


class Embedding(nnx.Module):  # type: ignore[misc]
    """A table of vectors, shape (size, hidden_size)."""

    def __init__(self, size: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.embedding = nnx.Param(_EMBEDDING_STDDEV * jax.random.normal(rngs.params(), (size, width)))


class Stack(nnx.Module):  # type: ignore[misc]
    """Embedding, layers and last norm: what Hugging Face keeps under `model.`.

    Stacked, the layers are one module whose parameters have a leading axis; else they are a list.
    """

    def __init__(self, setup: Setup, *, is_stacked: bool, rngs: nnx.Rngs) -> None:
        config = setup.config
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size, rngs=rngs)
        if config.family.positions == "learned":
            self.embed_positions = Embedding(config.max_position_embeddings, config.hidden_size, rngs=rngs)
        if is_stacked:
            self.layers = Layer(setup, rngs=rngs)
        else:
            self.layers = nnx.List([Layer(setup, rngs=rngs) for _ in range(config.num_hidden_layers)])
        self.norm = make_norm(config, config.hidden_size)


class Decoder(nnx.Module):  # type: ignore[misc]
    """A causal language model; attributes bear the names of Hugging Face's Llama tensors."""

    def __init__(self, setup: Setup, *, is_stacked: bool = False, rngs: nnx.Rngs) -> None:
        config = setup.config
        self.setup = setup
        self.is_stacked = is_stacked
        self.model = Stack(setup, is_stacked=is_stacked, rngs=rngs)
        if not config.tie_word_embeddings:
            shape = (config.hidden_size, config.vocab_size)
            stddev = 1 / math.sqrt(config.hidden_size)
            self.lm_head = Linear(setup, "lm_head", shape, stddev=stddev, rngs=rngs)

    def hidden(
        self,
        input_ids: jax.Array,
        *,
        positions: jax.Array,
        mask: jax.Array,
        cache: Cache | None = None,
        slot: jax.Array | int = 0,
        dropout: Dropout | None = None,
    ) -> Output:
        """Return the states after the last norm.

        Args:
            input_ids: shape (batch, length).
            positions: position of each token within its example, shape (batch, length).
            mask: True where a query may see a key, shape (batch, length, keys); with a cache, the keys
                are its slots. Windows of layers that have them come on top, counted in slots.
            cache: keys and values of the tokens before.
            slot: cache slot of the first token of the input, for all rows or of shape (batch,).
            dropout: of the updates that the layers add to the residual stream.
        """
        config = self.setup.config
        ropes = {kind.rope for kind in config.layer_kinds} - {None}
        angles = {rope: rotary_angles(positions, rope, head_dim=config.head_dim) for rope in ropes if rope}
        attending = Attending(angles, mask[:, None], slot, dropout)
        x = self._embed(input_ids, positions)
        x, cache = self._through_cache(x, attending, cache) if cache else (self._through(x, attending), None)
        return Output(self.model.norm(x).reshape(*input_ids.shape, config.hidden_size), cache)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """Return scores over the vocabulary in float32 for hidden states of shape (…, hidden_size)."""
        flat = hidden.reshape(-1, hidden.shape[-1]).astype(jnp.float32)
        logits = product(flat, self.head_kernel(), precision=self.setup.precision)
        softcap = self.setup.config.final_logit_softcapping
        if softcap is not None:
            logits = softcap * jnp.tanh(logits / softcap)
        return logits.reshape(*hidden.shape[:-1], -1)

    def head_kernel(self) -> jax.Array:
        """Return what hidden states are multiplied by for logits, shape (hidden_size, vocab_size)."""
        tied = self.setup.config.tie_word_embeddings
        kernel: jax.Array = self.model.embed_tokens.embedding[...].T if tied else self.lm_head.kernel[...]
        return kernel

    def _embed(self, input_ids: jax.Array, positions: jax.Array) -> jax.Array:
        config = self.setup.config
        x: jax.Array = self.model.embed_tokens.embedding[...][input_ids.reshape(-1)]
        if config.family.is_embedding_scaled:
            x = x * math.sqrt(config.hidden_size)
        if config.family.positions == "learned":
            x = x + self.model.embed_positions.embedding[...][positions.reshape(-1)]
        return x.astype(self.setup.activations)

    def _through_cache(self, x: jax.Array, attending: Attending, cache: Cache) -> tuple[jax.Array, Cache]:
        written: Cache = ()
        for index, (kind, before) in enumerate(zip(self.setup.config.layer_kinds, cache, strict=True)):
            x, after = self._layer(index)(x, attending, kind, index=index, cache=before)
            written += (after,) if after else ()
        return x, written

    def _through(self, x: jax.Array, attending: Attending) -> jax.Array:
        """Return the states after all layers, with a loop over those whose kinds repeat if stacked."""
        kinds = self.setup.config.layer_kinds
        run = self._runner(attending)
        num_looped = 0
        if self.is_stacked:
            x, num_looped = self._loop(x, run)
        for index in range(num_looped, len(kinds)):
            structure, params = nnx.split(self._layer(index))
            x = run(structure, params, x, index, kinds[index])
        return x

    def _loop(self, x: jax.Array, run: Any) -> tuple[jax.Array, int]:
        """Return the states after the layers of all whole periods, and the number of these layers."""
        kinds, period = self.setup.config.layer_kinds, self.setup.config.period
        num_periods = len(kinds) // period
        num_looped = num_periods * period
        structure, params = nnx.split(self.model.layers)

        def run_period(x: jax.Array, scanned: Any) -> tuple[jax.Array, None]:
            start, params = scanned
            for offset in range(period):
                x = run(structure, _at(params, offset), x, start + offset, kinds[offset])
            return x, None

        periods = jax.tree.map(
            lambda value: value[:num_looped].reshape(num_periods, period, *value.shape[1:]), params
        )
        x, _ = jax.lax.scan(run_period, x, (jnp.arange(0, num_looped, period), periods))
        return x, num_looped

    def _runner(self, attending: Attending) -> Any:
        """Return a function that runs one layer, whose activations are computed again if so asked."""

        def run(
            structure: Any, params: Any, x: jax.Array, index: jax.Array | int, kind: LayerKind
        ) -> jax.Array:
            layer: Layer = nnx.merge(structure, params)
            after, _ = layer(x, attending, kind, index=index)
            return after

        return jax.checkpoint(run, static_argnums=(0, 4)) if self.setup.remat else run

    def _layer(self, index: int) -> Layer:
        layers = self.model.layers
        if not self.is_stacked:
            one: Layer = layers[index]
            return one
        structure, params = nnx.split(layers)
        layer: Layer = nnx.merge(structure, _at(params, index))
        return layer


@dataclass(frozen=True)
class Network(Setup):
    """A decoder's structure without its parameters: equal fields give equal networks.

    Parameters bear flat names, `model.layers.0.mlp.up_proj.kernel`; in deep networks those of all layers
    are held as one, `model.layers.mlp.up_proj.kernel`, with the layers as leading axis.
    """

    @property
    def is_deep(self) -> bool:
        """Whether the parameters of the layers are held stacked."""
        return self.config.num_hidden_layers >= STACK_FROM_NUM_LAYERS

    def init(self, key: jax.Array) -> Params:
        """Return fresh parameters; those of a network without adapters are the same as with them."""
        rngs = nnx.Rngs(params=key, lora=jax.random.fold_in(key, 1))
        state = nnx.state(Decoder(self, rngs=rngs))
        return self.stack({_name(path): variable[...] for path, variable in nnx.to_flat_state(state)})

    def bind(self, params: Params) -> Decoder:
        """Return the decoder with these parameters, stacked or not."""
        is_stacked = not any(_OF_ONE_LAYER.fullmatch(name) for name in params)
        structure, paths = _structure(self, is_stacked)
        flat = [(path, params[_name(path)]) for path in paths]
        decoder: Decoder = nnx.merge(structure, nnx.from_flat_state(flat))
        return decoder

    def abstract_params(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Return the shape and type of every parameter, as `init` gives them."""
        shapes: dict[str, jax.ShapeDtypeStruct] = jax.eval_shape(self.init, jax.random.key(0))
        return shapes

    def stack(self, params: Params) -> Params:
        """Return all or some parameters as a deep network holds them; in another nothing changes.

        Raises:
            KeyError: a parameter is there for some layers and not for others.
        """
        if not self.is_deep:
            return dict(params)
        stacked: Params = {}
        for name, value in params.items():
            match = _OF_ONE_LAYER.fullmatch(name)
            if match is None:
                stacked[name] = value
            elif _LAYERS + match[2] not in stacked:
                num_layers = self.config.num_hidden_layers
                values = [params[f"{_LAYERS}{index}.{match[2]}"] for index in range(num_layers)]
                stacked[_LAYERS + match[2]] = jnp.stack(values)
        return stacked

    def unstack(self, params: Mapping[str, Value]) -> dict[str, Value]:
        """Return all or some parameters under the names of single layers."""
        single: dict[str, Value] = {}
        for name, value in params.items():
            if not name.startswith(_LAYERS) or _OF_ONE_LAYER.fullmatch(name):
                single[name] = value
                continue
            rest = name.removeprefix(_LAYERS)
            single |= {f"{_LAYERS}{index}.{rest}": value[index] for index in range(value.shape[0])}
        return single

    def new_cache(self, *, batch_size: int, num_slots: int) -> Cache:
        """Return an empty cache, of the type that the attention's products take."""
        config, dtype = self.config, jnp.bfloat16 if self.precision == "bfloat16" else jnp.float32
        shape = (batch_size, config.num_key_value_heads, num_slots, config.head_dim)
        empty = functools.partial(jnp.zeros, shape, dtype)
        return tuple(LayerCache(empty(), empty()) for _ in range(config.num_hidden_layers))


def segment_mask(segment_ids: jax.Array) -> jax.Array:
    """Return which keys a query may see: those before it, and itself, in its own segment.

    Args:
        segment_ids: example of each token, shape (batch, length).

    Returns:
        shape (batch, length, length).
    """
    length = segment_ids.shape[1]
    causal = jnp.tril(jnp.ones((length, length), dtype=bool))
    return causal & (segment_ids[:, :, None] == segment_ids[:, None, :])


def num_params(params: Params) -> int:
    """Return how many numbers the parameters hold."""
    return sum(math.prod(value.shape) for value in params.values())


@functools.lru_cache(maxsize=16)
def _structure(setup: Setup, is_stacked: bool) -> tuple[Any, tuple[tuple[str | int, ...], ...]]:
    abstract = nnx.eval_shape(lambda: Decoder(setup, is_stacked=is_stacked, rngs=nnx.Rngs(0)))
    structure, state = nnx.split(abstract)
    return structure, tuple(path for path, _ in nnx.to_flat_state(state))


def _at(params: Any, index: int) -> Any:
    return jax.tree.map(lambda value: value[index], params)


def _name(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))
