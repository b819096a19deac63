import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeConfig
from tunix_ml.evaluation.judges.checkpoint import CheckpointJudge
from tunix_ml.evaluation.judges.endpoint import HttpJudge
from tunix_ml.evaluation.judges.judge import Judge, JudgeUnavailable
from tunix_ml.evaluation.judges.opening import open_judge
from tunix_ml.evaluation.judges.prompts import judge_prompt
from tunix_ml.snapshot import CorruptArtifact, NotPublished
from tunix_ml.store import RunDirectory, Store

MODEL = Path(__file__).parents[2] / "modeling" / "fixtures" / "qwen3"
HTTP = {"judge": "mine", "url": "http://127.0.0.1:8000/v1", "model": "judge-7b"}
CHECKPOINT = {"judge": "mine", "backend": "checkpoint", "model": str(MODEL)}


@pytest.fixture
def opened(store: Store) -> Callable[..., Judge]:
    """A function that opens the judge of some settings; nothing may be started."""

    def open_with(settings: dict[str, Any], **changes: Any) -> Judge:
        def run_worker(module: str, job: dict[str, Any]) -> None:
            raise AssertionError(f"{module} was started")

        return open_judge(JudgeConfig(**settings | changes), store=store, run_worker=run_worker)

    return open_with


def test_an_endpoint_is_identified_by_model_prompt_and_decoding(opened: Callable[..., Judge]) -> None:
    judge = opened(HTTP)

    assert isinstance(judge, HttpJudge)
    assert judge.identity.model == "judge-7b"
    assert judge.identity.prompt_digest == judge_prompt("correctness").digest()
    assert (judge.identity.precision, judge.identity.answer_template) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://elsewhere.example/v1"},
        {"timeout_s": 5.0},
        {"max_retries": 0},
        {"num_concurrent": 1},
        {"judge": "other-name"},
        {"precision": "bfloat16"},
        {"api_key_env": "HOME"},
    ],
    ids=str,
)
def test_where_it_is_reached_and_how_patiently_do_not_make_another_judge(
    opened: Callable[..., Judge], change: dict[str, Any]
) -> None:
    assert opened(HTTP, **change).identity == opened(HTTP).identity


@pytest.mark.parametrize("change", [{"model": "judge-8b"}, {"temperature": 0.5}, {"max_tokens": 9}], ids=str)
def test_another_model_or_decoding_makes_another_judge(
    opened: Callable[..., Judge], change: dict[str, Any]
) -> None:
    assert opened(HTTP, **change).identity.digest() != opened(HTTP).identity.digest()


def test_a_checkpoint_is_identified_by_its_content_wherever_it_lies(
    opened: Callable[..., Judge], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(MODEL, tmp_path / "copy"))

    judge = opened(CHECKPOINT)

    assert isinstance(judge, CheckpointJudge)
    assert opened(CHECKPOINT, model=str(copy)).identity == judge.identity
    assert judge.identity.precision == "float32"
    (copy / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert opened(CHECKPOINT, model=str(copy)).identity != judge.identity


def test_a_run_judges_with_its_exported_model_and_answers_in_its_template(
    opened: Callable[..., Judge], finished_run: Callable[..., RunDirectory]
) -> None:
    run = finished_run()
    with run.slot("model").publish() as draft:
        shutil.copytree(MODEL, draft.path, dirs_exist_ok=True)

    judge = opened(CHECKPOINT, model="", run_id=run.run_id)

    assert judge.identity.answer_template == "reasoning_tags"
    assert judge.identity.model == opened(CHECKPOINT).identity.model


def test_a_damaged_model_of_a_run_does_not_judge(
    opened: Callable[..., Judge], finished_run: Callable[..., RunDirectory]
) -> None:
    run = finished_run()
    (run.slot("model").resolve().path / "model.safetensors").write_text("damaged")

    with pytest.raises(CorruptArtifact, match=r"model\.safetensors has sha256"):
        opened(CHECKPOINT, model="", run_id=run.run_id)


@pytest.mark.parametrize(
    ("settings", "change", "problem"),
    [
        (HTTP, {"judge": ""}, "no judge is configured: set `judge`"),
        (HTTP, {"url": ""}, "judge 'mine' has backend `http` and no `url`"),
        (HTTP, {"model": ""}, "judge 'mine' has backend `http` and no `model`"),
        (CHECKPOINT, {"model": ""}, "neither `model` nor `run_id`"),
    ],
)
def test_a_judge_that_lacks_something_is_none(
    opened: Callable[..., Judge], settings: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(JudgeUnavailable, match=problem):
        opened(settings, **change)


def test_a_model_that_does_not_exist_is_named(opened: Callable[..., Judge], tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"has no config\.json"):
        opened(CHECKPOINT, model=str(tmp_path))


def test_a_run_that_does_not_exist_is_named(opened: Callable[..., Judge]) -> None:
    with pytest.raises(NotPublished, match=r"run 'no\.such\.run', which should judge, does not exist"):
        opened(CHECKPOINT, model="", run_id="no.such.run")
