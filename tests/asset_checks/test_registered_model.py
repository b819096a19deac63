import shutil
from collections.abc import Callable
from typing import Any

import pytest

from asset_checks import registered_model
from asset_checks.eval_report import BLOCKING
from asset_checks.outcome import Outcome, Subject
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.registry import Decision, PromotionOutcome
from tunix_ml.contracts.reproduction import DifferingText, PredictionReproduction
from tunix_ml.registry.events import event_log
from tunix_ml.registry.evidence import evidence_of, reproduction_slot
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.registry.models import decide, read_registered
from tunix_ml.registry.policy import Row
from tunix_ml.registry.record import publish_registry, registry_slot
from tunix_ml.slot import Slot
from tunix_ml.store import Store

NAME = "golden-v2.test"
Published = Callable[..., Subject]


@pytest.fixture
def published(store: Store) -> Published:
    """A function that appends decisions about a row's run to the log, and publishes the registry."""

    def publish(row: Row | None = None, *kinds: str) -> Subject:
        for kind in kinds:
            assert row is not None
            decide(store, read_registered(store, NAME), decision(store, row, kind))
        return Subject(store, "all", registry_slot(store), publish_registry(store, OUTCOME))

    return publish


OUTCOME = PromotionOutcome(
    action="promote_best", model=NAME, result="kept", version=None, run_id=None, reasons=[], gate=None
)


def decision(store: Store, row: Row, kind: str) -> Decision:
    evidence = evidence_of(store, row)
    fields = {"kind": kind, "version": evidence["model"], "run_id": row["run_id"], "evidence": evidence}
    fields |= {"evaluation_set": NAME, "scorer": "answers", "actor": "ada", "reason": "for the test"}
    return Decision.model_validate(fields)


@pytest.fixture
def row(store: Store, evaluated: Callable[..., Slot]) -> Row:
    """The row of the one run there is."""
    evaluated()
    (found,) = collect_leaderboard(store, required_checks=BLOCKING).rows
    return found


@pytest.fixture
def champion(row: Row, published: Published) -> Subject:
    """A published registry with a champion."""
    return published(row, "register", "promote")


FAST = (
    registered_model.logs_are_whole,
    registered_model.champions_are_undamaged,
    registered_model.champions_have_valid_rows,
)


@pytest.mark.parametrize("check", FAST, ids=lambda check: check.__name__)
def test_a_sound_registry_passes(champion: Subject, check: Callable[[Subject], Outcome]) -> None:
    outcome = check(champion)

    assert outcome.passed, outcome.description


@pytest.mark.parametrize("check", registered_model.CHECKS, ids=lambda check: check.name)
def test_an_empty_registry_passes(published: Published, check: Any) -> None:
    assert check.function(published()).passed


@pytest.mark.parametrize("check", registered_model.CHECKS, ids=lambda check: check.name)
def test_a_registry_without_a_champion_passes(published: Published, row: Row, check: Any) -> None:
    assert check.function(published(row, "register")).passed


# logs_are_whole


def test_an_event_that_is_gone_since_is_found(champion: Subject) -> None:
    event_log(champion.store, NAME).file(2).unlink()

    outcome = registered_model.logs_are_whole(champion)

    assert not outcome.passed
    assert "00000002.json is missing, it was the last event once" in outcome.description
    assert outcome.facts == {"num_problems": 1, "num_models": 1, "num_events": 2}


def test_a_changed_event_is_found(champion: Subject) -> None:
    path = event_log(champion.store, NAME).file(1)
    path.write_bytes(path.read_bytes().replace(b"ada", b"bob"))

    assert not registered_model.logs_are_whole(champion).passed


# champions_are_undamaged


def test_a_damaged_model_of_a_champion_is_an_error(champion: Subject, row: Row) -> None:
    model = champion.store.run(row["run_id"]).slot("model").resolve()
    (model.path / "model.safetensors").write_text("damaged")

    outcome = registered_model.champions_are_undamaged(champion)

    assert (outcome.passed, outcome.severity) == (False, "ERROR")
    assert f"champion of {NAME}: " in outcome.description
    assert "model.safetensors has sha256" in outcome.description


def test_a_champion_whose_run_is_gone_is_an_error(champion: Subject, row: Row) -> None:
    shutil.rmtree(champion.store.run(row["run_id"]).path)

    assert not registered_model.champions_are_undamaged(champion).passed


# champions_have_valid_rows


def test_a_champion_with_a_stale_row_is_warned_of(
    champion: Subject, row: Row, tampered: Callable[..., Subject]
) -> None:
    dataset = champion.store.slot("dataset", "golden-v2")
    tampered(dataset, lambda folder: (folder / "README.md").write_text("new"))

    outcome = registered_model.champions_have_valid_rows(champion)

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert f"champion {row['run_id']} of {NAME} is stale: " in outcome.description


def test_a_champion_without_a_row_is_warned_of(champion: Subject, row: Row) -> None:
    shutil.rmtree(champion.store.run(row["run_id"]).path / "eval")

    outcome = registered_model.champions_have_valid_rows(champion)

    assert f"champion {row['run_id']} of {NAME} has no row on {NAME}" in outcome.description


# champion_reproduces_its_predictions; that a real model passes is tested with the asset


def test_a_champion_that_cannot_be_asked_is_an_error(champion: Subject) -> None:
    with pytest.raises(TunixError, match=r"tokenizer\.json"):
        registered_model.champion_reproduces_its_predictions(champion)


@pytest.mark.parametrize(
    "texts", [[], [DifferingText(item_id="1", sample_index=0, published="4", found="5")]]
)
def test_a_champion_that_writes_otherwise_is_an_error(
    champion: Subject, row: Row, monkeypatch: pytest.MonkeyPatch, texts: list[DifferingText]
) -> None:
    monkeypatch.setattr(registered_model, "_ask_again", lambda store, version: told(store, row, texts))

    outcome = registered_model.champion_reproduces_its_predictions(champion)

    assert (outcome.passed, outcome.severity) == (not texts, "ERROR")
    assert outcome.facts == {
        "num_problems": len(texts),
        "num_texts": 2,
        "num_differing": len(texts),
        "device": "cpu",
    }


def told(store: Store, row: Row, differing: list[DifferingText]) -> None:
    """Publish what the process would: only the model is not there to be asked."""
    result = PredictionReproduction(
        run_id=row["run_id"],
        evaluation_set=NAME,
        model_digest="0" * 64,
        predictions_digest="1" * 64,
        item_ids=["1", "2"],
        num_texts=2,
        differing=differing,
        device="cpu",
    )
    with reproduction_slot(store.run(row["run_id"]), NAME).publish() as draft:
        (draft.path / "reproduction.json").write_bytes(result.to_json())
