"""Decisions about versions that are no more than a letter, and runs that may be promoted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from asset_checks.eval_report import BLOCKING
from tunix_ml.audits import record_audit
from tunix_ml.contracts.registry import Decision
from tunix_ml.contracts.reproduction import DifferingText, PredictionReproduction
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.registry.events import EventLog, event_log, head_digest
from tunix_ml.registry.evidence import evidence_of
from tunix_ml.registry.leaderboard import Row, collect_leaderboard
from tunix_ml.registry.policy import Scope, row_of
from tunix_ml.registry.promotion import PromotionRules
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

MODEL = "golden-v2.test"
SCOPE = Scope("golden-v2.test", "answers")
REQUIRED: Mapping[str, Sequence[str]] = {
    "checkpoint": ["loss_is_reproduced"],
    "predictions": ["each_item_is_asked", "model_is_the_trained_one"],
    "eval_report": BLOCKING,
}


@pytest.fixture
def decision() -> Callable[..., Decision]:
    """A function that returns a decision about the version and the run of a letter."""

    def make(kind: str, letter: str, **changes: Any) -> Decision:
        fields = {
            "kind": kind,
            "version": letter * 64,
            "run_id": f"run-{letter}",
            "actor": "ada",
            "reason": f"{kind} {letter}",
            "evaluation_set": "golden-v2.test",
            "scorer": "answers",
        }
        return Decision.model_validate(fields | changes)

    return make


@pytest.fixture
def log(store: Store) -> EventLog:
    """The log of a registered model, without an event."""
    return event_log(store, MODEL)


@pytest.fixture
def append(log: EventLog, decision: Callable[..., Decision]) -> Callable[..., None]:
    """A function that appends decisions, told as `register a`."""

    def append_all(*told: str) -> None:
        for words in told:
            kind, letter = words.split()
            log.append(decision(kind, letter), after=head_digest(log.read()))

    return append_all


@pytest.fixture
def contender(store: Store, evaluated: Callable[..., Slot]) -> Callable[..., str]:
    """A function that fabricates a run that fulfils all that promotion demands, and returns its id."""

    def make(recipe: str, share_right: float = 0.75) -> str:
        run = store.run(evaluated(recipe=recipe, share_right=share_right).key)
        row = row_of(rows_now(store), run.run_id, scope=SCOPE)
        assert row
        evidence = evidence_of(store, row)
        pass_checks(store.slot("checkpoint", "golden-v2"), evidence["checkpoint"], REQUIRED["checkpoint"])
        pass_checks(
            predictions_slot(run, SCOPE.evaluation_set), evidence["predictions"], REQUIRED["predictions"]
        )
        publish_reproduction(run, model=evidence["model"], predictions=evidence["predictions"])
        return run.run_id

    return make


@pytest.fixture
def rows(store: Store) -> Callable[[], list[Row]]:
    """A function that returns the rows of the leaderboard as they are now."""
    return lambda: rows_now(store)


@pytest.fixture
def rules() -> PromotionRules:
    """What promotions are measured by."""
    return PromotionRules(scope=SCOPE, delta=0.05, required_checks=REQUIRED)


def rows_now(store: Store) -> list[Row]:
    return collect_leaderboard(store, required_checks=REQUIRED["eval_report"]).rows


def pass_checks(slot: Slot, digest: str, checks: Sequence[str]) -> None:
    for check in checks:
        record_audit(slot, digest, check=check, passed=True, description="as the test has it")


@pytest.fixture
def reproduce(store: Store) -> Callable[..., None]:
    """A function that publishes that a run's model was asked again, as if it had been."""
    return lambda run_id, **stated: publish_reproduction(store.run(run_id), **stated)


def publish_reproduction(
    run: RunDirectory, *, model: str, predictions: str, differing: Sequence[DifferingText] = ()
) -> None:
    result = PredictionReproduction(
        run_id=run.run_id,
        evaluation_set=SCOPE.evaluation_set,
        model_digest=model,
        predictions_digest=predictions,
        item_ids=["one", "two"],
        num_texts=2,
        differing=list(differing),
        device="cpu",
    )
    with run.slot(f"reproduction/{SCOPE.evaluation_set}").publish() as draft:
        (draft.path / "reproduction.json").write_bytes(result.to_json())
