import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.inference.sampling import Chosen, choose, make_sampling

VOCAB_SIZE, NUM_DRAWS = 300, 20_000
LOGITS = np.random.default_rng(0).normal(scale=2, size=VOCAB_SIZE).astype(np.float32)
_choose = jax.jit(choose)


def draw(logits: np.ndarray = LOGITS, *, num_draws: int = NUM_DRAWS, **config: float) -> Chosen:
    """Choose once for each of many texts that stand before the same logits."""
    identity = np.stack([np.arange(num_draws), np.zeros(num_draws)], axis=1).astype(np.uint32)
    sampling = make_sampling(DecodingConfig(**config), vocab_size=logits.shape[-1])
    repeated = np.broadcast_to(logits, (num_draws, logits.shape[-1]))
    return Chosen(*map(np.asarray, _choose(repeated, identity, np.zeros(num_draws, np.int32), sampling)))


def probabilities(logits: np.ndarray, *, kept: np.ndarray | None = None) -> np.ndarray:
    weights = np.exp(logits - logits.max()) * (1 if kept is None else kept)
    return weights / weights.sum()


def chi_square(tokens: np.ndarray, expected: np.ndarray) -> float:
    """Return the statistic over its degrees of freedom: about 1 if the tokens were drawn as expected."""
    counts = np.bincount(tokens, minlength=len(expected))
    likely = expected * len(tokens) > 5
    assert counts[expected == 0].sum() == 0
    error = (counts[likely] - expected[likely] * len(tokens)) ** 2 / (expected[likely] * len(tokens))
    return float(error.sum() / likely.sum())


def test_without_a_temperature_the_likeliest_token_is_chosen_and_the_first_of_equals() -> None:
    tied = np.array([0.0, 3.0, 1.0, 3.0], np.float32)

    assert set(draw(num_draws=3).token) == {LOGITS.argmax()}
    assert set(draw(tied, num_draws=3).token) == {1}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_by_their_probabilities_at_the_temperature(temperature: float) -> None:
    tokens = draw(temperature=temperature).token

    assert chi_square(tokens, probabilities(LOGITS / np.float32(temperature))) < 1.5


@pytest.mark.parametrize("top_k", [1, 2, 7, VOCAB_SIZE, 10 * VOCAB_SIZE])
def test_top_k_draws_from_the_likeliest_tokens_alone(top_k: int) -> None:
    kept = np.argsort(np.argsort(-LOGITS)) < top_k

    assert chi_square(draw(temperature=1, top_k=top_k).token, probabilities(LOGITS, kept=kept)) < 1.5


@pytest.mark.parametrize("top_p", [0.001, 0.3, 0.9, 1.0])
def test_top_p_draws_from_the_fewest_tokens_that_reach_it(top_p: float) -> None:
    order = np.argsort(-LOGITS)
    running = np.cumsum(probabilities(LOGITS)[order])
    kept = np.zeros(VOCAB_SIZE)
    kept[order[: np.searchsorted(running, min(top_p, running[-1])) + 1]] = 1

    assert chi_square(draw(temperature=1, top_p=top_p).token, probabilities(LOGITS, kept=kept)) < 1.5


def test_top_p_counts_what_top_k_has_left() -> None:
    logits = np.log(np.array([0.4, 0.3, 0.2, 0.1], np.float32))

    # Of the two likeliest the first has 4/7 and is not enough for 0.6, but 0.55 needs it alone.
    assert set(draw(logits, temperature=1, top_k=2, top_p=0.6).token) == {0, 1}
    assert set(draw(logits, temperature=1, top_k=2, top_p=0.55).token) == {0}


def test_the_log_probability_is_the_models_whatever_the_settings() -> None:
    for config in ({}, {"temperature": 0.3}, {"temperature": 2.0, "top_k": 3, "top_p": 0.5}):
        chosen = draw(num_draws=50, **config)

        np.testing.assert_allclose(chosen.logprob, np.log(probabilities(LOGITS))[chosen.token], atol=1e-5)


def test_a_certain_token_has_log_probability_zero() -> None:
    (logprob,) = draw(np.array([0.0, 500.0], np.float32), num_draws=1).logprob

    assert (logprob, np.signbit(logprob)) == (0, False)


def test_every_token_of_a_text_is_drawn_anew() -> None:
    sampling = make_sampling(DecodingConfig(temperature=1), vocab_size=VOCAB_SIZE)
    identity = jnp.zeros((200, 2), jnp.uint32)
    logits = jnp.broadcast_to(LOGITS, (200, VOCAB_SIZE))

    tokens = np.asarray(_choose(logits, identity, jnp.arange(200), sampling).token)

    assert len(set(tokens.tolist())) > 20
    assert np.array_equal(tokens, np.asarray(_choose(logits, identity, jnp.arange(200), sampling).token))
