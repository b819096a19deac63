import json
import subprocess
import sys
from pathlib import Path

import jax
import msgspec
import pytest

from tunix_ml.contracts.judge import JudgeConfig, JudgeJob, JudgeReply
from tunix_ml.exports.tokenizer import train_bpe
from tunix_ml.inference.judge_worker import main
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import save_model


@pytest.fixture
def job(tmp_path: Path) -> JudgeJob:
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
        max_position_embeddings=64,
    )
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    save_model(folder, config=config, params=Network(config).init(jax.random.key(0)), special_token_ids=ids)
    (tmp_path / "prompts.jsonl").write_text('"2 + 2 = "\n"4\\n?"\n')
    return JudgeJob(
        home=tmp_path,
        model=folder,
        answer_template=None,
        config=JudgeConfig(
            judge="mine", backend="checkpoint", model=str(folder), max_tokens=4, judge_device="cpu"
        ),
        prompts=tmp_path / "prompts.jsonl",
        replies=tmp_path / "replies.jsonl",
    )


def start(job: JudgeJob) -> subprocess.CompletedProcess[str]:
    path = job.home / "job.json"
    path.write_bytes(job.to_json())
    command = [sys.executable, "-m", "tunix_ml.inference.judge_worker", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_process_answers_each_prompt(job: JudgeJob) -> None:
    result = start(job)

    assert (result.returncode, result.stderr) == (0, "")
    assert "asking the judge" in result.stdout
    replies = msgspec.json.Decoder(JudgeReply).decode_lines(job.replies.read_bytes())
    assert [reply.status for reply in replies] == ["cut", "cut"]


def test_a_model_that_is_not_there_fails_in_a_sentence_and_leaves_no_replies(job: JudgeJob) -> None:
    result = start(job.model_copy(update={"model": job.home / "nowhere"}))

    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "nowhere has no tokenizer.json" in result.stderr
    assert not job.replies.exists()


def test_the_job_is_read_before_anything_heavy_is_loaded(job: JudgeJob) -> None:
    broken = json.dumps({"home": "/nowhere"}).encode()

    with pytest.raises(ValueError, match="the job is not a JudgeJob"):
        main(broken, lambda line: None)
