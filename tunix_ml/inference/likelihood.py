"""How likely a model finds given completions: the true ones of an evaluation set, or any others."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tunix_ml.inference.programs import Weights, completion_nats
from tunix_ml.modeling.decoder import Network

_SMALLEST_BUCKET = 32


class Scored(NamedTuple):
    """A prompt and the completion whose likelihood is asked, as ids."""

    prompt_ids: list[int]
    completion_ids: list[int]

    @property
    def num_tokens(self) -> int:
        """Tokens of both."""
        return len(self.prompt_ids) + len(self.completion_ids)


def completion_likelihoods(
    network: Network, weights: Weights, texts: Sequence[Scored], *, batch_size: int
) -> list[float | None]:
    """Return the negative log-likelihood of each completion after its prompt, in nats, in the order given.

    Texts of about one length are read side by side; the number of one does not depend on the others, but for
    the last bits. A text that is longer than the model's positions, or has no prompt or completion, has none.
    """
    limit = network.config.max_position_embeddings
    found: list[float | None] = [None] * len(texts)
    fitting = [
        index
        for index, text in enumerate(texts)
        if text.prompt_ids and text.completion_ids and text.num_tokens <= limit
    ]
    by_length = sorted(fitting, key=lambda index: texts[index].num_tokens)
    for start in range(0, len(by_length), batch_size):
        group = by_length[start : start + batch_size]
        for index, nats in zip(group, _read([texts[i] for i in group], network, weights), strict=True):
            found[index] = nats
    return found


def _read(texts: Sequence[Scored], network: Network, weights: Weights) -> list[float]:
    num_rows = 1 << (len(texts) - 1).bit_length()  # shapes in powers of two: few programs for any texts
    longest = max(text.num_tokens for text in texts)
    length = max(_SMALLEST_BUCKET, 1 << (longest - 1).bit_length())
    ids = np.zeros((num_rows, length), np.int32)
    is_asked = np.zeros((num_rows, length), np.float32)
    for row, text in enumerate(texts):
        ids[row, : text.num_tokens] = text.prompt_ids + text.completion_ids
        is_asked[row, len(text.prompt_ids) : text.num_tokens] = 1
    nats = completion_nats(weights, jnp.asarray(ids), jnp.asarray(is_asked), network=network)
    return [float(value) for value in jax.device_get(nats)[: len(texts)]]
