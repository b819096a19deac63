from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import (
    JUDGE_VERDICTS_SCHEMA,
    JudgeConfig,
    JudgeIdentity,
    JudgeJob,
    JudgementsMeta,
    JudgeReply,
    JudgeSelfTest,
    JudgeVerdict,
)

VERDICT = JudgeVerdict("q1", 0, "scored", "CORRECT", 1.0, "It is.\nCORRECT", None, "a" * 64, "b" * 64)


def test_without_a_setting_there_is_no_judge() -> None:
    assert JudgeConfig().judge == ""
    assert JudgeConfig().temperature == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "https://models.example/openai/v1/",
        "http://[::1]:8000/v1",
    ],
)
def test_an_endpoint_has_an_address(url: str) -> None:
    assert JudgeConfig(url=url).url == url


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"url": "ftp://models.example/v1"}, "no address of the form http"),
        ({"url": "file:///etc/passwd"}, "no address of the form http"),
        ({"url": "models.example/v1"}, "no address of the form http"),
        ({"url": "http:///v1"}, "no address of the form http"),
        ({"url": "http://[::1/v1"}, "no address of the form http"),
        ({"url": "http://localhost:99999/v1"}, "no address of the form http"),
        ({"url": "https://me:secret@models.example/v1"}, "put the key into an environment variable"),
        ({"url": "https://models.example/v1?api-key=secret"}, "put the key into an environment variable"),
        ({"url": "https://models.example/v1#secret"}, "put the key into an environment variable"),
        ({"api_key_env": "sk-secret"}, "api_key_env"),
        ({"run_id": "golden-v2.tiny.0123456789"}, "`run_id` is not for backend `http`"),
        ({"backend": "checkpoint", "url": "http://localhost/v1"}, "`url` is not for backend `checkpoint`"),
        ({"backend": "checkpoint", "api_key_env": "KEY"}, "`api_key_env` is not for backend `checkpoint`"),
        ({"backend": "checkpoint", "run_id": "a", "model": "b"}, "`run_id` stands instead of `model`"),
        ({"backend": "coin"}, "backend"),
        ({"judge": "My Judge"}, "judge"),
        ({"judge": "a/b"}, "judge"),
        ({"prompt": "pairwise"}, "prompt"),
        ({"temperature": -0.1}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"max_retries": -1}, "max_retries"),
        ({"num_concurrent": 0}, "num_concurrent"),
        ({"api_key": "secret"}, "api_key"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_kept_are_refused_without_repeating_a_secret(
    values: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as refused:
        JudgeConfig(**values)

    assert "secret" not in str(refused.value)


def test_a_judge_is_another_one_when_anything_that_decides_its_verdicts_changes(
    judge_identity: JudgeIdentity,
) -> None:
    changes: dict[str, Any] = {
        "backend": "checkpoint",
        "model": "judge-8b",
        "prompt_digest": "b" * 64,
        "answer_template": "answer_only",
        "temperature": 0.5,
        "max_tokens": 256,
        "precision": "bfloat16",
        "parser_version": 2,
    }

    digests = {judge_identity.model_copy(update={name: value}).digest() for name, value in changes.items()}

    assert len(digests | {judge_identity.digest()}) == len(changes) + 1


def test_the_table_holds_what_a_verdict_holds() -> None:
    missing = JudgeVerdict("q1", 1, "timeout", None, None, None, "no answer within 60 s", "a" * 64, "c" * 64)

    table = JUDGE_VERDICTS_SCHEMA.table(map(msgspec.to_builtins, [VERDICT, missing]))

    assert JUDGE_VERDICTS_SCHEMA.names == list(JudgeVerdict.__struct_fields__)
    assert msgspec.convert(table.to_pylist(), list[JudgeVerdict]) == [VERDICT, missing]
    assert all(column.description for column in JUDGE_VERDICTS_SCHEMA)


@pytest.mark.parametrize("status", ["wrong", "cut", None])
def test_a_verdict_has_one_of_four_statuses(status: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.status"):
        msgspec.convert(msgspec.to_builtins(VERDICT) | {"status": status}, JudgeVerdict)


def test_a_reply_is_read_as_it_was_written() -> None:
    reply = JudgeReply("complete", "CORRECT", None, "judge-7b-0613")

    assert msgspec.json.decode(msgspec.json.encode(reply), type=JudgeReply) == reply


def test_a_job_is_read_as_it_was_written() -> None:
    config = JudgeConfig(judge="mine", backend="checkpoint", model="folder")
    job = JudgeJob(
        home=Path("/home"),
        model=Path("/model"),
        answer_template="answer_only",
        config=config,
        prompts=Path("/prompts.jsonl"),
        replies=Path("/replies.jsonl"),
    )

    assert JudgeJob.parse(job.to_json(), subject="the job") == job


def test_the_description_of_judgements_is_read_as_it_was_written(judge_identity: JudgeIdentity) -> None:
    meta = JudgementsMeta(
        run_id="golden-v2.tiny.0123456789",
        evaluation_set="golden-v2.test",
        evaluation_set_digest="a" * 64,
        predictions_digest="b" * 64,
        judge="mine",
        judge_digest=judge_identity.digest(),
        identity=judge_identity,
        served_models=["judge-7b-0613"],
        num_items=8,
        num_samples=1,
        status_counts={"scored": 7, "timeout": 1},
        mean_score=0.5,
        num_scored_items=7,
        self_test=JudgeSelfTest(
            num_items=8,
            num_without_verdict=0,
            gold_rate=1.0,
            shuffled_rate=0.0,
            expected_shuffled_rate=0.0,
        ),
        ask_time_s=3.5,
    )

    assert JudgementsMeta.parse(meta.to_json(), subject="judgements_meta.json") == meta
    with pytest.raises(ContractError, match="num_items"):
        JudgementsMeta.parse(
            meta.to_json().replace(b'"num_items":8,"num_s', b'"num_items":0,"num_s'), subject="x"
        )
