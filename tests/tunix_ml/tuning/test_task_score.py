from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import pytest

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.evaluation.answers.verdict import Verdict
from tunix_ml.inference.decode import Completion, Request
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.lora import LoraConfig
from tunix_ml.store import Store
from tunix_ml.tuning import task_score
from tunix_ml.tuning.task_score import TaskScore

EXECUTION = ExecutionConfig(score_every_steps=2, score_items=3, score_max_new_tokens=8)


@pytest.fixture
def scorer(sums: Store, identify: Callable[..., RunIdentity]) -> TaskScore:
    return TaskScore.of_run(sums, identify(sums), EXECUTION)


def network_of(scorer: TaskScore, **changes: Any) -> Network:
    config = ModelConfig(
        vocab_size=scorer.tokenizer.vocab_size,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=512,
    )
    return Network(config, **changes)


def params_of(network: Network) -> Params:
    return network.init(jax.random.key(0))


def test_it_asks_the_first_questions_of_the_validation_split(scorer: TaskScore, sums: Store) -> None:
    assert [item.item_id for item in scorer.items] == sorted(item.item_id for item in scorer.items)
    assert len(scorer.items) == 3


def test_a_model_that_learned_nothing_scores_nothing(scorer: TaskScore) -> None:
    network = network_of(scorer)

    assert scorer(network, params_of(network)) == 0


def test_right_answers_are_counted(scorer: TaskScore, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [scorer.items[0].final_answer, "-1", scorer.items[2].final_answer]

    def write(_: Network, __: object, requests: Sequence[Request], **___: object) -> list[list[Completion]]:
        ids = [scorer.tokenizer.encode(f"<answer>{answer}</answer>") for answer in answers]
        return [[Completion(list(one), [0.0] * len(one), "eos")] for one in ids]

    monkeypatch.setattr(task_score, "decode", write)
    network = network_of(scorer)

    assert scorer(network, params_of(network)) == pytest.approx(2 / 3)


def test_a_scorer_that_fails_leaves_no_score(scorer: TaskScore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        task_score,
        "decode",
        lambda _, __, requests, **___: [
            [Completion(list(scorer.tokenizer.encode("<answer>1</answer>")), [0.0], "eos")] for _ in requests
        ],
    )
    monkeypatch.setattr(
        "tunix_ml.evaluation.score.compare_answers", lambda pairs: [Verdict("timeout", "any") for _ in pairs]
    )
    network = network_of(scorer)

    assert scorer(network, params_of(network)) is None


def test_adapters_are_merged_before_they_are_asked(scorer: TaskScore) -> None:
    lora = LoraConfig(rank=2, alpha=4.0, targets="(q|v)_proj")
    network = replace(network_of(scorer), lora=lora)

    assert scorer(network, params_of(network)) == 0
