"""Rows, reports and scores as the leaderboard and an evaluation have them, to be changed field by field."""

from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.artifact import ArtifactRecord
from tunix_ml.contracts.evaluation import EvalReport, ItemScore
from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA
from tunix_ml.registry.pages.boards import Board
from tunix_ml.registry.pages.render import render

Row = dict[str, Any]


@pytest.fixture
def made_from() -> ArtifactRecord:
    """The record of the leaderboard that a page is made from."""
    return ArtifactRecord(
        table="leaderboard",
        key="all",
        content_digest="a" * 64,
        files={},
        parents={},
        code_version="of the test",
        created_at="2026-11-22T10:20:30+00:00",
    )


@pytest.fixture
def rendered(made_from: ArtifactRecord) -> Callable[..., str]:
    """A function that returns the page of a view."""

    def page_of(template: str, view: object, *, page: str = "runs/x.html", **values: Any) -> str:
        return render(template, page=page, view=view, made_from=made_from, **values)

    return page_of


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A function that returns a row of the leaderboard, valid and first unless something is changed."""

    def make(recipe: str = "tiny", **changes: Any) -> Row:
        row = {
            "rank": 1,
            "tie_group": 1,
            "rank_low": 1,
            "rank_high": 2,
            "status": "valid",
            "reason": "",
            "model": "2 layers of 64",
            "dataset_version": "golden-v2",
            "recipe": recipe,
            "answer_rule": "reasoning_tags",
            "primary_metric": "answer_correctness",
            "primary_score": 0.75,
            "ci95_low": 0.409,
            "ci95_high": 0.929,
            "stderr": 0.16,
            "n_items": 8,
            "num_samples": 1,
            "coverage": 1.0,
            "format_valid": 1.0,
            "hit_max_new_tokens": 0.0,
            "claims_correct": None,
            "gold_step_recall": 0.5,
            "answer_supported": 1.0,
            "trace_num_tokens": 41.25,
            "gold_nats_per_token": 0.0253,
            "validation_loss": 1.5,
            "num_params": 123_456,
            "num_tokens_seen": 40_000,
            "device_seconds": 14.0,
            "checkpoint_step": 20,
            "evaluated_at": "2026-11-22T10:00:00+00:00",
            "evaluation_set": "golden-v2.test",
            "evaluation_set_digest": "e" * 64,
            "scorer": "answers",
            "run_id": f"golden-v2.{recipe}.0123456789",
            "fingerprint": "f" * 64,
            "inputs": "{}",
            "eval_digest": "d" * 64,
        }
        assert row.keys() == set(LEADERBOARD_SCHEMA.names)
        return {**row, **changes}

    return make


@pytest.fixture
def make_board() -> Callable[..., Board]:
    """A function that returns a board of some rows."""
    return lambda *rows, **fields: Board("golden-v2.test", "e" * 64, "answers", rows, **fields)


@pytest.fixture
def make_report() -> Callable[..., EvalReport]:
    """A function that returns a report on eight items, six of them right unless something is changed."""

    def make(**changes: Any) -> EvalReport:
        share = {
            "mean": 0.75,
            "stderr": 0.16,
            "ci95_low": 0.409,
            "ci95_high": 0.929,
            "n": 8,
            "interval": "wilson",
        }
        tokens = {"mean": 41.25, "stderr": 2, "ci95_low": 37, "ci95_high": 45, "n": 8, "interval": "normal"}
        fields = {
            "run_id": "golden-v2.tiny.0123456789",
            "dataset_version": "golden-v2",
            "recipe": "tiny",
            "evaluation_set": "golden-v2.test",
            "evaluation_set_digest": "e" * 64,
            "scorer": "answers",
            "primary_metric": "answer_correctness",
            "inputs": {
                "dataset": "1" * 64,
                "evaluation_set": "1" * 64,
                "model": "2" * 64,
                "predictions": "3" * 64,
            },
            "scorers": {"answer_correctness": "4" * 64},
            "answer_rule": "reasoning_tags",
            "max_new_tokens": 160,
            "num_samples": 1,
            "n_items": 8,
            "n_scored": 8,
            "coverage": 1.0,
            "status_counts": {"scored": 7, "truncated": 1},
            "metrics": {"answer_correctness": share, "trace_num_tokens": tokens},
            "pass_at_k": {},
            "groups": {"category": {"sum": share, "story": {**share, "mean": 0.5, "n": 4}}},
            "primary_score": 0.75,
            "self_test": {"gold_mean": 1.0, "shuffled_mean": 0.125, "expected_shuffled_mean": 0.125},
        }
        return EvalReport.model_validate({**fields, **changes})

    return make


@pytest.fixture
def make_score() -> Callable[..., ItemScore]:
    """A function that returns the score of a text, right unless a value is given."""

    def make(item_id: str = "item-0", value: float | None = 1.0, **changes: Any) -> ItemScore:
        fields = {
            "item_id": item_id,
            "sample_index": 0,
            "cluster": item_id,
            "section": "all",
            "category": "all",
            "difficulty": "all",
            "status": "scored",
            "expected": "5",
            "extracted": "5" if value == 1 else "6",
            "rule": "number",
            "detail": None,
            "prompt_digest": "0" * 64,
            "text_digest": "0" * 64,
            "text": "2 + 3 = 5",
            "scores": {} if value is None else {"answer_correctness": value},
        }
        return ItemScore(**{**fields, **changes})

    return make
