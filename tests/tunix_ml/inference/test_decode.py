from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.inference.decode import Completion, DecodingError, Request, bucket, decode
from tunix_ml.inference.programs import prepare
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
PROMPTS = [[5, 6, 7], [8], list(range(3, 23)), [9, 10]]
REQUESTS = [Request(ids, item=(7 << 40) + index) for index, ids in enumerate(PROMPTS)]
LOGIT_ERROR = 4e-5  # logits reach 46, where float32 has steps of 4e-6, and sums of two layers lie before
DRAWN = {"temperature": 2.0, "num_samples": 3, "seed": 5}


@pytest.fixture(scope="module")
def params() -> Params:
    """Parameters large enough for the likeliest token to change from place to place."""
    fresh = NETWORK.init(jax.random.key(4))
    return {name: value * (3 if name.endswith("kernel") else 5) for name, value in fresh.items()}


def letters(ids: Sequence[int]) -> str:
    """Token n is the letter n of the alphabet, twice."""
    return "".join(chr(ord("a") + token) * 2 for token in ids)


def write(
    params: Params,
    requests: Sequence[Request] = REQUESTS,
    *,
    ends: Sequence[int] = (),
    batch_size: int = 4,
    reports: list[str] | None = None,
    **config: Any,
) -> list[list[Completion]]:
    return decode(
        NETWORK,
        prepare(params, network=NETWORK),
        requests,
        config=DecodingConfig(**{"max_new_tokens": 12, **config}),
        end_token_ids=ends,
        batch_size=batch_size,
        decode_text=letters,
        report=[].append if reports is None else reports.append,
    )


def ids(completions: list[list[Completion]]) -> list[list[list[int]]]:
    return [[sample.ids for sample in samples] for samples in completions]


@jax.jit
def logprobs_of_all(params: Params, tokens: jax.Array) -> jax.Array:
    """Return the log-probabilities of every next token, from one full forward without a cache."""
    decoder = NETWORK.bind(params)
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden = decoder.hidden(tokens, positions=positions, mask=segment_mask(jnp.ones_like(tokens))).hidden
    return jax.nn.log_softmax(decoder.logits(hidden), axis=-1)


def full_forward(params: Params, prompt: list[int], written: list[int]) -> np.ndarray:
    """Return the log-probabilities at each written token, shape (written, vocab)."""
    text = [*prompt, *written]
    padded = jnp.array([text + [0] * (40 - len(text))])  # no token sees a later one
    return np.asarray(logprobs_of_all(params, padded))[0, len(prompt) - 1 : len(text) - 1]


# Equal to the model


def test_decoding_with_a_cache_is_the_full_forward(params: Params) -> None:
    for prompt, (completion,) in zip(PROMPTS, write(params, batch_size=2), strict=True):
        expected = full_forward(params, prompt, completion.ids)

        assert completion.ids == expected.argmax(axis=-1).tolist()
        np.testing.assert_allclose(completion.logprobs, expected.max(axis=-1), atol=LOGIT_ERROR)
        assert completion.finish_reason == "length"


def test_drawn_tokens_have_the_log_probabilities_of_the_model(params: Params) -> None:
    for prompt, samples in zip(PROMPTS, write(params, top_k=5, **DRAWN), strict=True):
        for sample in samples:
            expected = full_forward(params, prompt, sample.ids)

            np.testing.assert_allclose(
                sample.logprobs, expected[np.arange(len(sample.ids)), sample.ids], atol=LOGIT_ERROR
            )


def test_the_completions_differ_or_the_tests_say_nothing(params: Params) -> None:
    greedy = {tuple(samples[0].ids) for samples in write(params)}
    drawn = {tuple(sample.ids) for samples in write(params, **DRAWN) for sample in samples}

    assert len(greedy) == 4
    assert len(drawn) == 12
    assert all(len(set(text)) > 3 for text in greedy)


def test_half_precision_decodes_with_a_half_precision_cache(params: Params) -> None:
    network = Network(CONFIG, precision="bfloat16")
    half = decode(
        network,
        prepare(params, network=network),
        REQUESTS,
        config=DecodingConfig(max_new_tokens=1),
        end_token_ids=(),
        batch_size=4,
        decode_text=letters,
        report=[].append,
    )

    full = write(params, max_new_tokens=1)
    assert half != full
    for (one,), (other,) in zip(half, full, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=0.1)


# Independent of batch, order and neighbours


@pytest.mark.parametrize("config", [{}, DRAWN], ids=["greedy", "drawn"])
def test_a_completion_depends_on_no_neighbour(params: Params, config: dict[str, Any]) -> None:
    together = ids(write(params, **config))

    assert [ids(write(params, [request], **config))[0] for request in REQUESTS] == together
    assert ids(write(params, batch_size=2, **config)) == together
    assert ids(write(params, REQUESTS[::-1], **config))[::-1] == together


def test_rows_that_are_done_take_the_next_prompt(params: Params) -> None:
    requests = [Request([token, token + 1], item=token) for token in range(25)]
    ends = [3, 4, 5]  # ends some texts early and others never
    alone = [ids(write(params, [request], ends=ends, **DRAWN))[0] for request in requests]

    together = ids(write(params, requests, ends=ends, **DRAWN))

    assert together == alone
    assert len({len(text) for samples in together for text in samples}) > 5


def test_a_longer_list_of_samples_begins_with_the_shorter_one(params: Params) -> None:
    one = ids(write(params, **{**DRAWN, "num_samples": 1}))
    three = ids(write(params, **DRAWN))

    assert one == [samples[:1] for samples in three]


def test_item_and_seed_decide_what_is_drawn(params: Params) -> None:
    drawn = ids(write(params, **DRAWN))

    assert ids(write(params, **DRAWN)) == drawn
    assert ids(write(params, **{**DRAWN, "seed": 6})) != drawn
    others = [Request(request.ids, request.item + (1 << 32)) for request in REQUESTS]
    assert ids(write(params, others, **DRAWN)) != drawn


# The end


def test_an_end_token_stops_its_row_and_no_other(params: Params) -> None:
    free = [samples[0].ids for samples in write(params)]
    ends = [free[0][4], free[2][7]]

    stopped = [samples[0] for samples in write(params, ends=ends)]

    for before, after in zip(free, stopped, strict=True):
        first = min((before.index(end) for end in ends if end in before), default=len(before) - 1)
        assert after.ids == before[: first + 1]
        assert after.finish_reason == ("eos" if set(ends) & set(before) else "length")
        assert len(after.logprobs) == len(after.ids)
    assert stopped[0].finish_reason == "eos"


def test_a_stop_string_ends_a_text_within_a_token(params: Params) -> None:
    free = [samples[0].ids for samples in write(params, max_new_tokens=30)]
    stop = letters(free[0][9:12])[1:-1]  # begins and ends in the middle of a token

    stopped = [samples[0] for samples in write(params, max_new_tokens=30, stop=["?", stop])]

    for before, after in zip(free, stopped, strict=True):
        assert after.ids == before[: len(after.ids)]
        assert (stop in letters(after.ids)) == (after.finish_reason == "stop")
        assert stop not in letters(after.ids[:-1])
    assert stopped[0].finish_reason == "stop"


def test_the_limit_may_be_any_number(params: Params) -> None:
    long = ids(write(params, max_new_tokens=40))

    for limit in (1, 2, 16, 17):
        short = ids(write(params, max_new_tokens=limit))
        assert short == [[other[:limit] for other in samples] for samples in long]


# Around it


def test_new_settings_compile_nothing(params: Params, caplog: pytest.LogCaptureFixture) -> None:
    write(params, max_new_tokens=9)
    with jax.log_compiles():
        write(
            params, max_new_tokens=12, ends=[3, 4], temperature=0.7, top_k=3, top_p=0.9, seed=3, stop=["zz"]
        )

    assert [record.message for record in caplog.records if "ompil" in record.message] == []


def test_no_prompts_give_no_completions(params: Params) -> None:
    assert write(params, []) == []


def test_an_empty_prompt_is_an_error(params: Params) -> None:
    with pytest.raises(ContractError, match="prompt 1 has no token"):
        write(params, [Request([5]), Request([])])


def test_what_does_not_fit_the_model_is_told_with_a_way_out(params: Params) -> None:
    with pytest.raises(
        ContractError,
        match=r"20 tokens, .* 109 is more than the 128 positions .*: lower max_new_tokens to 108",
    ):
        write(params, max_new_tokens=109)


def test_scores_that_are_not_numbers_are_an_error(params: Params) -> None:
    broken = {**params, "model.norm.scale": params["model.norm.scale"] * jnp.nan}

    with pytest.raises(DecodingError, match="scores after prompt 1 are not numbers"):
        write(broken)


def test_lengths_go_in_powers_of_two() -> None:
    assert [bucket(length) for length in (1, 16, 17, 32, 33, 100)] == [16, 16, 32, 32, 64, 128]


def test_progress_is_reported_by_the_batch(params: Params) -> None:
    reports: list[str] = []

    write(params, batch_size=2, max_new_tokens=3, reports=reports)

    assert reports == ["decoded 2/4 texts", "decoded 4/4 texts"]
