from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeConfig, JudgeIdentity, JudgeJob, JudgeReply
from tunix_ml.evaluation.judges.checkpoint import WORKER, CheckpointJudge

CONFIG = JudgeConfig(judge="mine", backend="checkpoint", model="folder")
IDENTITY = JudgeIdentity(
    backend="checkpoint",
    model="a" * 64,
    prompt="correctness",
    prompt_digest="b" * 64,
    answer_template="answer_only",
    temperature=0.0,
    max_tokens=512,
    precision="float32",
    parser_version=1,
)


class Worker:
    """Stands for the process: it notes its job and replies with what it was asked."""

    def __init__(self, *, num_lost: int = 0) -> None:
        self.jobs: list[JudgeJob] = []
        self._num_lost = num_lost

    def __call__(self, module: str, job: dict[str, Any]) -> None:
        assert module == WORKER
        self.jobs.append(JudgeJob.model_validate_json(msgspec.json.encode(job)))
        prompts = msgspec.json.Decoder(str).decode_lines(self.jobs[-1].prompts.read_bytes())
        replies = [JudgeReply("complete", prompt) for prompt in prompts[self._num_lost :]]
        self.jobs[-1].replies.write_bytes(msgspec.json.Encoder().encode_lines(replies))


def judge_with(worker: Worker, home: Path) -> CheckpointJudge:
    return CheckpointJudge(CONFIG, IDENTITY, folder=home / "model", home=home, run_worker=worker)


def test_all_prompts_go_to_one_process_and_its_replies_come_back(tmp_path: Path) -> None:
    worker = Worker()
    prompts = ["first\nprompt", 'second "prompt"', "\u2028dritter"]

    replies = judge_with(worker, tmp_path).judge(prompts)

    (job,) = worker.jobs
    assert [reply.text for reply in replies] == prompts
    assert (job.home, job.model, job.config) == (tmp_path, tmp_path / "model", CONFIG)
    assert job.answer_template == "answer_only"
    assert not job.prompts.exists()


def test_a_judge_says_what_identifies_it(tmp_path: Path) -> None:
    assert judge_with(Worker(), tmp_path).identity == IDENTITY


def test_a_process_that_left_a_prompt_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="gave 1 replies to 2 prompts"):
        judge_with(Worker(num_lost=1), tmp_path).judge(["first", "second"])
