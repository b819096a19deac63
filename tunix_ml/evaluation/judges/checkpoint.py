"""A judge that is a model of this machine: its prompts are answered by a process of their own."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeConfig, JudgeIdentity, JudgeJob, JudgeReply

WORKER = "tunix_ml.inference.judge_worker"
RunWorker = Callable[[str, dict[str, Any]], None]


class CheckpointJudge:
    """Gives its prompts to `python -m tunix_ml.inference.judge_worker`, which loads the model once.

    `run_worker` starts a worker module with a job and returns when it has done it.
    """

    def __init__(
        self, config: JudgeConfig, identity: JudgeIdentity, *, folder: Path, home: Path, run_worker: RunWorker
    ) -> None:
        self._config, self._identity, self._run_worker = config, identity, run_worker
        self._folder, self._home = folder, home

    @property
    def identity(self) -> JudgeIdentity:
        """Everything that decides its verdicts."""
        return self._identity

    def judge(self, prompts: Sequence[str]) -> list[JudgeReply]:
        """Return a reply to each prompt.

        Raises:
            ContractError: the process did not answer each prompt.
        """
        with tempfile.TemporaryDirectory(prefix="tunix-judge-") as exchange:
            job = JudgeJob(
                home=self._home,
                model=self._folder,
                answer_template=self._identity.answer_template,
                config=self._config,
                prompts=Path(exchange, "prompts.jsonl"),
                replies=Path(exchange, "replies.jsonl"),
            )
            job.prompts.write_bytes(msgspec.json.Encoder().encode_lines(prompts))
            self._run_worker(WORKER, job.model_dump(mode="json"))
            replies = msgspec.json.Decoder(JudgeReply).decode_lines(job.replies.read_bytes())
        if len(replies) != len(prompts):
            raise ContractError(f"the judge's process gave {len(replies)} replies to {len(prompts)} prompts")
        return replies
