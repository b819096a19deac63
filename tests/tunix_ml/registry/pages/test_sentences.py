from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.system import AnswerRule, SystemIdentity
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity, TrainConfig
from tunix_ml.registry.pages.sentences import questions, score_sentence, system_sentence, training_sentence

MakeReport = Callable[..., EvalReport]


def identity(**train: Any) -> RunIdentity:
    digests = dict.fromkeys(("dataset_digest", "export_digest", "tokens_digest"), "0" * 64)
    return RunIdentity(
        dataset_version="golden-v2",
        template="reasoning_tags",
        train=TrainConfig(**train),
        code_version="of the test",
        **digests,
    )


def checkpoint(**changes: Any) -> CheckpointRecord:
    fields: dict[str, Any] = {
        "run_id": "golden-v2.tiny.0123456789",
        "dataset_version": "golden-v2",
        "step": 600,
        "num_train_steps": 600,
        "stopped_by": "steps",
        "model_digest": "0" * 64,
        "final_loss": 0.0313,
        "first_loss": 6.24,
        "validation_loss": 0.04,
        "num_params": 1,
        "num_tokens_seen": 1,
        "train_time_s": 353.2,
        "compile_time_s": 1.0,
        "device": "cpu",
    }
    return CheckpointRecord(**{**fields, **changes})


def test_a_finished_training_is_told_with_its_time_and_loss() -> None:
    assert training_sentence(identity(), checkpoint()) == (
        "Trained 600 of 600 steps on golden-v2 in 5 min 53 s; the loss fell from 6.24 to 0.0313."
    )


def test_an_early_end_and_a_base_model_are_told() -> None:
    sentence = training_sentence(
        identity(base_model="org/base-1b"), checkpoint(step=400, stopped_by="time_budget")
    )

    assert "Trained 400 of 600 steps on golden-v2, starting from org/base-1b in" in sentence
    assert "stopped by its time budget" in sentence


def test_a_loss_that_did_not_fall_is_not_said_to_have_fallen() -> None:
    assert "the loss did not fall: it went from 6.24 to 7." in training_sentence(
        identity(), checkpoint(final_loss=7.0)
    )


def test_what_is_not_known_of_a_training_is_not_told() -> None:
    assert training_sentence(None, checkpoint()) == "What this run was trained on cannot be read."
    assert training_sentence(identity(), None) == "Training on golden-v2 has not ended."


def test_a_system_from_elsewhere_says_where_it_comes_from() -> None:
    system = SystemIdentity(
        recipe="gsm8k-2021",
        system="big",
        description="Systems of a paper." + "x" * 5_000,
        license="MIT",
        evaluation_set="gsm8k-test-v1",
        source_sha256="0" * 64,
        recipe_digest="0" * 64,
        answer=AnswerRule(kind="whole"),
        judge=None,
    )

    sentence = system_sentence(system)

    assert sentence.startswith(
        "Not trained here: its texts were read from a file by the recipe gsm8k-2021. Systems of a paper."
    )
    assert len(sentence) < 800
    assert system_sentence(None) == "Where these texts come from cannot be read."


def test_a_single_question_is_one() -> None:
    assert [questions(count) for count in (0, 1, 1_002)] == ["0 questions", "1 question", "1,002 questions"]


def test_right_answers_are_counted(make_report: MakeReport) -> None:
    assert score_sentence(make_report(), num_right=6) == (
        "Answered 8 questions of golden-v2.test, 6 right (75.0 %; 95 % interval 40.9 to 92.9),"
        " as the comparison with the expected answers has it."
    )


def test_a_judge_is_named(make_report: MakeReport) -> None:
    sentence = score_sentence(make_report(scorer="judge:strict"), num_right=6)

    assert sentence.endswith("as the judge strict has it.")


def test_a_mean_over_several_texts_is_no_count(make_report: MakeReport) -> None:
    assert score_sentence(make_report(num_samples=4), num_right=None) == (
        "Asked 8 questions of golden-v2.test, with 4 texts for each: it scored 75.0 % on average"
        " (95 % interval 40.9 to 92.9)."
    )


def test_a_run_with_questions_missing_has_no_number(make_report: MakeReport) -> None:
    report = make_report(n_scored=7, coverage=7 / 8, primary_score=None)

    assert score_sentence(report, num_right=6) == (
        "Only 7 of 8 questions of golden-v2.test have a score, so there is no number to rank."
    )


@pytest.mark.parametrize("num_right", [1, None])
def test_a_single_question_has_no_interval(make_report: MakeReport, num_right: int | None) -> None:
    one = {"mean": 1.0, "stderr": 0, "ci95_low": None, "ci95_high": None, "n": 1, "interval": "clustered"}
    report = make_report(metrics={"answer_correctness": one}, primary_score=1.0, n_items=1, n_scored=1)

    assert "one item has no interval" in score_sentence(report, num_right=num_right)
