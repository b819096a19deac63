"""The asset `judge_calibration`."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import jax
import pytest

from tunix_assets.assets.judge_calibration import judge_calibration
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_ml.evaluation.judges.calibration import calibration_slot, read_calibration
from tunix_ml.evaluation.judges.calibration_set import read_calibration_set, shipped_calibration_set
from tunix_ml.exports.tokenizer import train_bpe
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.store import Store

LABELS = {one.text: one.label for one in read_calibration_set(shipped_calibration_set())}


def by_label(prompt: str) -> str:
    """Reply as the labels of the shipped set have it."""
    blocks = re.findall(r"^TEXT(?: [AB])?\n((?:\|.*\n?)+)", prompt, re.MULTILINE)
    texts = ["\n".join(line[2:] for line in block.splitlines()) for block in blocks]
    right = [LABELS[text] == "correct" for text in texts]
    if len(right) == 1:
        return "CORRECT" if right[0] else "INCORRECT"
    return "TIE" if right[0] == right[1] else "A" if right[0] else "B"


def calibrate(**config: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [judge_calibration],
        resources={"store": StoreResource(), "worker": WorkerResource()},
        run_config={"ops": {"judge_calibration": {"config": config}}},
        raise_on_error=False,
    )


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    failure = result.failure_data_for_node("judge_calibration")
    assert failure
    assert failure.user_failure_data
    return str(failure.user_failure_data.description)


def test_a_judge_is_calibrated_and_shown_with_its_numbers(home: Path, judge_endpoint: Any) -> None:
    judge_endpoint.reply = by_label

    result = calibrate(judge="mine", url=judge_endpoint.url, model="judge-7b")

    (event,) = result.asset_materializations_for_node("judge_calibration")
    metadata = {name: value.value for name, value in event.metadata.items()}
    snapshot = calibration_slot(Store(home), "mine").resolve()
    assert (metadata["judge"], metadata["may_rank"], metadata["failed_gates"]) == ("mine", True, "none")
    assert metadata["content_digest"] == snapshot.digest
    assert metadata["content_digests"] == {"mine": snapshot.digest}
    assert "| kappa | 1.000 | 1.000 to 1.000 |" in str(metadata["calibration"])
    assert "| order agreement | 1.000 |  |" in str(metadata["calibration"])
    assert len(str(metadata["calibration"])) < 1_000
    assert len(judge_endpoint.prompts) == 200


def test_a_judge_that_may_not_rank_is_shown_with_what_it_failed(home: Path, judge_endpoint: Any) -> None:
    result = calibrate(judge="mine", url=judge_endpoint.url, model="judge-7b")

    (event,) = result.asset_materializations_for_node("judge_calibration")
    metadata = {name: value.value for name, value in event.metadata.items()}
    assert (result.success, metadata["may_rank"]) == (True, False)
    assert metadata["failed_gates"] == "kappa_low, order_agreement_low, invalid_rate_high"
    assert "| order agreement | not measured |  |" in str(metadata["calibration"])


def test_a_set_of_ones_own_is_used(home: Path, judge_endpoint: Any, tmp_path: Path) -> None:
    line = {"text_id": "a", "question": "2 + 2?", "answer": "4", "text": "4", "label": "incorrect"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(line))

    calibrate(judge="mine", url=judge_endpoint.url, model="x", calibration_set=str(tmp_path / "mine.jsonl"))

    report = read_calibration(calibration_slot(Store(home), "mine")).report
    assert report.quality.num_texts == {"correct": 0, "incorrect": 1}
    assert report.failed_gates() == ["kappa_low", "order_agreement_low", "texts_few", "pairs_few"]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "no judge is configured: set `judge`, its name, `backend` and `model`"),
        ({"judge": "mine", "model": "x"}, "judge 'mine' has backend `http` and no `url`"),
        (
            {
                "judge": "mine",
                "model": "x",
                "url": "http://127.0.0.1:1/v1",
                "api_key_env": "NO_SUCH_VARIABLE",
            },
            "environment variable NO_SUCH_VARIABLE, named by `api_key_env`, does not hold a key",
        ),
        (
            {"judge": "mine", "model": "x", "url": "http://127.0.0.1:1/v1"},
            "judge 'x' answered none of 200 prompts, the first: the connection failed: ConnectError",
        ),
    ],
)
def test_a_judge_that_cannot_be_asked_fails_in_a_sentence(
    home: Path, config: dict[str, Any], sentence: str
) -> None:
    assert failure_of(calibrate(**config)) == sentence
    assert not list(home.glob("lake/judge_calibration/*/pointer.json"))


def test_a_folder_without_a_model_is_named(home: Path, tmp_path: Path) -> None:
    result = calibrate(judge="mine", backend="checkpoint", model=str(tmp_path), judge_device="cpu")

    assert "has no config.json" in failure_of(result)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a tiny random model."""
    tokenizer = train_bpe(["2 + 2 = 4"], vocab_size=280)
    folder = tmp_path / "model"
    tokenizer.save(folder)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=2_048,
    )
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    save_model(folder, config=config, params=Network(config).init(jax.random.key(0)), special_token_ids=ids)
    return folder


def test_a_random_model_is_asked_in_its_own_process_and_may_not_rank(
    home: Path, tmp_path: Path, model: Path
) -> None:
    line = {"text_id": "a", "question": "2 + 2?", "answer": "4", "text": "4", "label": "correct"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(line))
    settings = {"judge": "mine", "backend": "checkpoint", "model": str(model), "judge_device": "cpu"}

    calibrate(**settings, max_tokens=4, calibration_set=str(tmp_path / "mine.jsonl"))

    found = read_calibration(calibration_slot(Store(home), "mine"))
    (verdict,) = found.text_verdicts
    assert (verdict.status, verdict.score) == ("invalid", None)
    assert verdict.detail == "the reply was cut at 4 tokens"
    assert verdict.reply
    assert found.report.identity.backend == "checkpoint"
    assert not found.report.passed
