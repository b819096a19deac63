import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from tunix_ml.contracts.judge import JudgeConfig, JudgeJob, JudgeReply
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenizer import load_tokenizer, train_bpe
from tunix_ml.inference.judge import answer_prompts, decoding
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.training.devices import DeviceNotFound

PROMPTS = ["Is 5 the answer?", "Is 6 the answer to 2 + 3?\nEnd with CORRECT or INCORRECT.\n"]
CHAT = "{{ bos_token }}<{{ messages[0].content }}>"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random model and a tokenizer."""
    folder = tmp_path_factory.mktemp("judge")
    tokenizer = train_bpe(PROMPTS, vocab_size=300)
    tokenizer.save(folder)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=96,
    )
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    save_model(folder, config=config, params=Network(config).init(jax.random.key(0)), special_token_ids=ids)
    return folder


@pytest.fixture
def own_model(model: Path, tmp_path: Path) -> Path:
    """A copy of that folder for a test to change."""
    return Path(shutil.copytree(model, tmp_path / "model"))


@pytest.fixture
def ask(model: Path, tmp_path: Path) -> Callable[..., list[JudgeReply]]:
    """A function that has a model answer some prompts."""

    def answer(
        prompts: list[str], *, folder: Path = model, answer_template: Any = None, **settings: Any
    ) -> list[JudgeReply]:
        values = {"backend": "checkpoint", "max_tokens": 6, "judge_device": "cpu", "num_concurrent": 2}
        job = JudgeJob(
            home=tmp_path,
            model=folder,
            answer_template=answer_template,
            config=JudgeConfig(**{"judge": "mine", "model": str(folder), **values, **settings}),
            prompts=tmp_path / "prompts.jsonl",
            replies=tmp_path / "replies.jsonl",
        )
        return answer_prompts(job, prompts, report=lambda line: None)

    return answer


def test_every_prompt_gets_what_the_model_writes_whatever_its_neighbours(
    ask: Callable[..., list[JudgeReply]],
) -> None:
    replies = ask(PROMPTS)

    assert [reply.status for reply in replies] == ["cut", "cut"]
    assert all(reply.text for reply in replies)
    assert replies[0].detail == "the reply was cut at 6 tokens"
    assert ask(PROMPTS[::-1]) == replies[::-1]
    assert ask(PROMPTS[:1]) == replies[:1]


def test_a_text_that_the_model_has_ended_is_complete(
    ask: Callable[..., list[JudgeReply]], own_model: Path
) -> None:
    every_token = list(range(load_tokenizer(own_model).vocab_size))
    (own_model / "generation_config.json").write_text(json.dumps({"eos_token_id": every_token}))

    (reply,) = ask(PROMPTS[:1], folder=own_model)

    assert (reply.status, reply.detail) == ("complete", None)


def test_a_prompt_that_does_not_fit_is_an_error_and_stops_no_other(
    ask: Callable[..., list[JudgeReply]],
) -> None:
    fitting, too_long, also_fitting = ask([PROMPTS[0], "5 " * 200, PROMPTS[1]])

    assert (fitting.status, also_fitting.status) == ("cut", "cut")
    assert (too_long.status, too_long.text) == ("error", None)
    assert "tokens, with max_tokens at most 90 fit" in str(too_long.detail)


def test_a_model_that_was_taught_to_chat_reads_a_users_message(
    ask: Callable[..., list[JudgeReply]], own_model: Path
) -> None:
    (own_model / "chat_template.jinja").write_text(CHAT)
    spelled_out = ask([f"<{PROMPTS[0]}>"])

    assert ask(PROMPTS[:1], folder=own_model) == spelled_out != ask(PROMPTS[:1])


def test_a_model_trained_here_reads_the_prompt_of_its_template(
    ask: Callable[..., list[JudgeReply]], own_model: Path
) -> None:
    (own_model / "chat_template.jinja").write_text(CHAT)
    spelled_out = ask([template("reasoning_lines").prompt_text(PROMPTS[0])])

    assert ask(PROMPTS[:1], folder=own_model, answer_template="reasoning_lines") == spelled_out


def test_draws_follow_from_the_prompt_alone(ask: Callable[..., list[JudgeReply]]) -> None:
    drawn = ask(PROMPTS, temperature=1.5)

    assert ask(PROMPTS[1:], temperature=1.5) == drawn[1:]
    assert drawn != ask(PROMPTS)


def test_nothing_is_asked_without_prompts(ask: Callable[..., list[JudgeReply]]) -> None:
    assert ask([]) == []


def test_a_device_that_is_not_there_is_named(ask: Callable[..., list[JudgeReply]]) -> None:
    with pytest.raises(DeviceNotFound):
        ask(PROMPTS, judge_device="tpu")


def test_a_judges_settings_are_those_of_decoding() -> None:
    config = JudgeConfig(backend="checkpoint", max_tokens=7, temperature=0.5, precision="bfloat16")

    found = decoding(config)

    assert (found.max_new_tokens, found.temperature, found.precision) == (7, 0.5, "bfloat16")
    assert (found.num_samples, found.stop) == (1, [])
