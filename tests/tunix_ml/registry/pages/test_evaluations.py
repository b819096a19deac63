import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.registry.pages import evaluations
from tunix_ml.registry.pages.evaluations import EvaluationReader
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]


def rows_of(store: Store) -> list[dict[str, Any]]:
    return collect_leaderboard(store, required_checks=()).rows


def with_another_name(report: EvalReport | None) -> EvalReport:
    assert report is not None
    return report.model_copy(update={"evaluation_set": "golden-v2.train"})


def test_what_lies_behind_a_row_is_read(store: Store, evaluated: Evaluated) -> None:
    evaluated()
    reader = EvaluationReader(store)

    found = reader.read(rows_of(store)[0])

    assert found.report is not None
    assert len(found.scores) == found.report.n_items == 8
    assert found.settings["train"]["recipe"] == "tiny"
    assert found.settings["decoding"]["max_new_tokens"] == 160
    assert found.problems == ()
    assert set(reader.questions(found)) == {score.item_id for score in found.scores}


def test_what_is_at_hand_is_not_read_again(store: Store, evaluated: Evaluated) -> None:
    evaluated()
    (row,) = rows_of(store)
    reader = EvaluationReader(store)

    first = reader.read(row)

    assert reader.read(row) is first
    assert reader.questions(first) is reader.questions(first)


def test_not_everything_is_kept(store: Store, evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluations, "_MOST_HELD", 1)
    monkeypatch.setattr(evaluations, "_MOST_SETS_HELD", 1)
    evaluated(recipe="one")
    evaluated(recipe="two")
    one, two = rows_of(store)
    reader = EvaluationReader(store)

    first = reader.read(one)
    questions = reader.questions(first)
    reader.questions(dataclasses.replace(first, report=with_another_name(first.report)))
    reader.read(two)

    assert reader.read(one) is not first
    assert questions
    assert reader.questions(first) is not questions


def test_the_report_that_the_row_was_taken_from_is_read_and_no_later_one(
    store: Store, evaluated: Evaluated, tampered: Callable[..., Any]
) -> None:
    slot = evaluated()
    (row,) = rows_of(store)
    tampered(slot, lambda folder: (folder / "README.md").write_text("another"))

    found = EvaluationReader(store).read(row)

    assert slot.resolve().digest != row["eval_digest"]
    assert found.snapshot is not None
    assert found.snapshot.digest == row["eval_digest"]


def test_damaged_scores_leave_the_report_and_a_sentence(store: Store, evaluated: Evaluated) -> None:
    (evaluated().resolve().path / "item_scores.parquet").write_bytes(b"damaged")

    found = EvaluationReader(store).read(rows_of(store)[0])

    assert found.report is not None
    assert found.scores == ()
    assert "item_scores.parquet" in found.problems[0]
    assert str(store.home) not in found.problems[0]


def test_damaged_settings_leave_the_rest_and_a_sentence(store: Store, evaluated: Evaluated) -> None:
    slot = evaluated()
    (row,) = rows_of(store)
    (store.run(slot.key).path / "config.json").write_text("{}")

    found = EvaluationReader(store).read(row)

    assert len(found.scores) == 8
    assert "config.json" in found.problems[0]


def test_a_report_that_is_gone_leaves_the_row_and_a_sentence(store: Store, evaluated: Evaluated) -> None:
    evaluated()
    (row,) = rows_of(store)
    reader = EvaluationReader(store)

    found = reader.read({**row, "eval_digest": "0" * 64})

    assert (found.report, found.scores) == (None, ())
    assert len(found.problems) == 1
    assert reader.questions(found) == {}


def test_questions_that_are_gone_are_none(store: Store, evaluated: Evaluated) -> None:
    evaluated()
    reader = EvaluationReader(store)
    found = reader.read(rows_of(store)[0])
    (store.slot("dataset", "golden-v2").path / "pointer.json").write_text("{}")

    assert reader.questions(found) == {}
