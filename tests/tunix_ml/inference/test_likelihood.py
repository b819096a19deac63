import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.inference.likelihood import Scored, completion_likelihoods
from tunix_ml.inference.programs import Weights, prepare
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params

CONFIG = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=64,
)
NETWORK = Network(CONFIG)
TEXTS = [Scored([3, 1, 4], [1, 5, 9, 2]), Scored([6], [5]), Scored(list(range(1, 31)), list(range(20)))]


@pytest.fixture(scope="module")
def params() -> Params:
    return NETWORK.init(jax.random.key(0))


@pytest.fixture(scope="module")
def weights(params: Params) -> Weights:
    return prepare(params, network=NETWORK)


def by_hand(params: Params, text: Scored) -> float:
    """Read the whole text once and add up what each token of the completion costs."""
    ids = jnp.array([text.prompt_ids + text.completion_ids])
    length = ids.shape[1]
    slots = jnp.arange(length)
    decoder = NETWORK.bind(params)
    hidden = decoder.hidden(ids, positions=slots[None], mask=(slots <= slots[:, None])[None]).hidden
    logits = hidden[0] @ decoder.head_kernel()
    log_probs = np.asarray(jax.nn.log_softmax(logits, axis=-1))
    start = len(text.prompt_ids)
    return -sum(float(log_probs[place - 1, int(ids[0, place])]) for place in range(start, length))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_completion_costs_the_sum_over_its_tokens(
    params: Params, weights: Weights, batch_size: int
) -> None:
    found = completion_likelihoods(NETWORK, weights, TEXTS, batch_size=batch_size)

    # float32 sums in another order
    assert found == pytest.approx([by_hand(params, text) for text in TEXTS], rel=1e-5)


def test_a_text_that_the_model_cannot_read_has_no_likelihood(weights: Weights) -> None:
    texts = [Scored([1], [2] * 64), Scored([], [1]), Scored([1], []), TEXTS[0]]

    *none, last = completion_likelihoods(NETWORK, weights, texts, batch_size=4)

    assert none == [None, None, None]
    assert last is not None


def test_nothing_asked_is_nothing_found(weights: Weights) -> None:
    assert completion_likelihoods(NETWORK, weights, [], batch_size=4) == []
