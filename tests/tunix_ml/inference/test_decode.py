from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.inference.decode import Completion, bucket, decode_greedily
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params, segment_mask

CONFIG = ModelConfig(
    vocab_size=30,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=4,
    max_position_embeddings=128,
    tie_word_embeddings=False,
)
NETWORK = Network(CONFIG)
NEVER = CONFIG.vocab_size  # no token
PROMPTS = [[5, 6, 7], [8], list(range(3, 23)), [9, 10]]


@pytest.fixture(scope="module")
def params() -> Params:
    """Parameters large enough for the likeliest token to change from place to place."""
    fresh = NETWORK.init(jax.random.key(4))
    return {name: value * (3 if name.endswith("kernel") else 5) for name, value in fresh.items()}


def decode(params: Params, prompts: list[list[int]], **changes: Any) -> list[Completion]:
    settings = {"max_new_tokens": 12, "eos_token_id": NEVER, "pad_token_id": 0, "batch_size": 4}
    return decode_greedily(NETWORK, params, prompts, report=lambda line: None, **(settings | changes))


@jax.jit
def likeliest_tokens(params: Params, ids: jax.Array) -> jax.Array:
    """Return the likeliest next token after each token, from one full forward without a cache."""
    decoder = NETWORK.bind(params)
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
    hidden = decoder.hidden(ids, positions=positions, mask=segment_mask(jnp.ones_like(ids))).hidden
    return jnp.argmax(decoder.logits(hidden), axis=-1)


def test_decoding_with_a_cache_is_the_full_forward(params: Params) -> None:
    completions = decode(params, PROMPTS)

    texts = [prompt + completion.ids for prompt, completion in zip(PROMPTS, completions, strict=True)]
    padded = jnp.array([text + [0] * (40 - len(text)) for text in texts])  # no token sees a later one
    following = likeliest_tokens(params, padded).tolist()
    for prompt, completion, tokens in zip(PROMPTS, completions, following, strict=True):
        assert completion.ids == tokens[len(prompt) - 1 : len(prompt) + 11]
        assert completion.finish_reason == "length"


def test_the_completions_differ_or_the_tests_say_nothing(params: Params) -> None:
    texts = [tuple(completion.ids) for completion in decode(params, PROMPTS)]

    assert len(set(texts)) == len(texts)
    assert all(len(set(text)) > 3 for text in texts)


def test_a_prompt_alone_gives_what_it_gives_beside_longer_ones(params: Params) -> None:
    together = decode(params, PROMPTS)
    alone = [decode(params, [prompt])[0] for prompt in PROMPTS]
    in_twos = decode(params, PROMPTS, batch_size=2)

    assert together == alone == in_twos


def test_the_end_token_stops_its_row_and_no_other(params: Params) -> None:
    free = decode(params, PROMPTS)
    end = free[0].ids[4]

    stopped = decode(params, PROMPTS, eos_token_id=end)

    for before, after in zip(free, stopped, strict=True):
        if end in before.ids:
            assert after == Completion(before.ids[: before.ids.index(end) + 1], "eos")
        else:
            assert after == before
    assert stopped[0].finish_reason == "eos"


def test_the_limit_may_be_any_number(params: Params) -> None:
    long = decode(params, PROMPTS, max_new_tokens=20)

    for limit in (1, 2, 16, 17):
        short = decode(params, PROMPTS, max_new_tokens=limit)
        assert [one.ids for one in short] == [other.ids[:limit] for other in long]


def test_the_limit_and_the_end_token_compile_nothing(
    params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    decode(params, PROMPTS, max_new_tokens=9)
    with jax.log_compiles():
        decode(params, PROMPTS, max_new_tokens=12, eos_token_id=3)

    assert [record.message for record in caplog.records if "ompil" in record.message] == []


def test_no_prompts_give_no_completions(params: Params) -> None:
    assert decode(params, []) == []


def test_an_empty_prompt_is_an_error(params: Params) -> None:
    with pytest.raises(ContractError, match="prompt 1 has no token"):
        decode(params, [[5], []])


def test_what_does_not_fit_the_model_is_told_with_a_way_out(params: Params) -> None:
    with pytest.raises(
        ContractError,
        match=r"20 tokens, .* 109 is more than the 128 positions .*: lower max_new_tokens to 108",
    ):
        decode(params, PROMPTS, max_new_tokens=109)


def test_lengths_go_in_powers_of_two() -> None:
    assert [bucket(length) for length in (1, 16, 17, 32, 33, 100)] == [16, 16, 32, 32, 64, 128]


def test_progress_is_reported(params: Params) -> None:
    reports: list[str] = []

    decode_greedily(
        NETWORK,
        params,
        PROMPTS,
        max_new_tokens=1,
        eos_token_id=NEVER,
        pad_token_id=0,
        batch_size=3,
        report=reports.append,
    )

    assert reports == ["decoded 3/4 prompts", "decoded 4/4 prompts"]


def test_what_the_padding_holds_does_not_matter(params: Params) -> None:
    one, other = (decode(params, PROMPTS, pad_token_id=pad) for pad in (0, 11))

    assert one == other
