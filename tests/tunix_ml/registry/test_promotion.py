from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tunix_ml.contracts.registry import Decision
from tunix_ml.contracts.reproduction import DifferingText
from tunix_ml.registry.events import StaleDecision
from tunix_ml.registry.models import RegisteredModel, decide, read_registered
from tunix_ml.registry.policy import Scope
from tunix_ml.registry.promotion import (
    DecisionRefused,
    Examination,
    PromotionRules,
    about,
    examine,
    promote,
    register_new,
    roll_back,
)
from tunix_ml.store import Store

MODEL = "golden-v2.test"
SCOPE = Scope("golden-v2.test", "answers")
Row = dict[str, Any]
Rows = Callable[[], list[Row]]
Contender = Callable[..., str]
Registered = Callable[[], RegisteredModel]
Install = Callable[[str], RegisteredModel]
Duel = Callable[[float, float], tuple[str, str]]
Examined = Callable[..., Examination]


@pytest.fixture
def registered(store: Store, rows: Rows) -> Registered:
    """A function that registers what is new and returns the state after it."""

    def register() -> RegisteredModel:
        return register_new(store, read_registered(store, MODEL), rows(), scope=SCOPE, actor="ada")

    return register


@pytest.fixture
def install(store: Store, rows: Rows, rules: PromotionRules, registered: Registered) -> Install:
    """A function that promotes a run for which everything speaks, and returns the state after it."""

    def bring_in(run_id: str) -> RegisteredModel:
        model = registered()
        examined = examine(store, model, run_id, rows=rows(), rules=rules)
        return promote(store, model, examined, scope=SCOPE, actor="ada", reason="for the test")

    return bring_in


@pytest.fixture
def duel(contender: Contender, install: Install) -> Duel:
    """A function that makes a champion and a run beside it, by their shares of right answers."""

    def make(champion_share: float, share: float) -> tuple[str, str]:
        champion = contender("one", champion_share)
        install(champion)
        return champion, contender("two", share)

    return make


@pytest.fixture
def examined(store: Store, rows: Rows, rules: PromotionRules, registered: Registered) -> Examined:
    """A function that registers what is new and examines a run, of other rows or by other rules if given."""

    def examine_run(
        run_id: str, *, of: list[Row] | None = None, hindrance: str | None = None, **rule: Any
    ) -> Examination:
        board, by = rows() if of is None else of, replace(rules, **rule)
        return examine(store, registered(), run_id, rows=board, rules=by, hindrance=hindrance)

    return examine_run


def stale(rows: list[Row], run_id: str) -> list[Row]:
    """Return rows in which that of one run is stale."""
    return [row | {"status": "stale", "reason": "old"} if row["run_id"] == run_id else row for row in rows]


# register_new


def test_every_run_with_a_valid_row_is_registered_once(contender: Contender, registered: Registered) -> None:
    first, second = contender("one"), contender("two")

    model = registered()

    assert {version.run_id for version in model.versions.values()} == {first, second}
    assert registered() == model


def test_a_run_whose_row_is_not_valid_is_not_registered(
    store: Store, contender: Contender, registered: Registered
) -> None:
    run_id = contender("one")
    audits = store.run(run_id).slot("eval/golden-v2.test").path / "audits"
    next(audits.rglob("*.json")).unlink()

    assert registered().versions == {}


def test_what_is_registered_says_on_which_evidence(
    store: Store, contender: Contender, registered: Registered
) -> None:
    run_id = contender("one")

    (version,) = registered().versions.values()

    assert version.evidence["model"] == version.version == store.run(run_id).slot("model").resolve().digest
    assert set(version.evidence) == EVIDENCE
    assert (version.evaluation_set, version.scorer) == SCOPE


# examine


def test_nothing_stands_against_the_first_sound_run(contender: Contender, examined: Examined) -> None:
    found = examined(contender("one"))

    assert (found.reasons, found.gate) == ((), None)
    assert found.evidence["model"] == found.version


def test_a_better_run_passes_the_gate_against_the_champion(duel: Duel, examined: Examined) -> None:
    _, run_id = duel(0.0, 1.0)

    found = examined(run_id)

    assert found.reasons == ()
    assert found.gate is not None
    assert found.gate.verdict == "PASS"


def test_a_worse_run_is_refused_by_the_gate(duel: Duel, examined: Examined) -> None:
    champion, run_id = duel(1.0, 0.0)

    (reason,) = examined(run_id).reasons

    assert reason.startswith(f"the gate says FAIL against {champion}: worse: ")


def test_an_inconclusive_gate_is_enough_only_where_that_is_allowed(duel: Duel, examined: Examined) -> None:
    _, run_id = duel(0.75, 0.75)

    strict, lenient = examined(run_id), examined(run_id, allow_inconclusive=True)

    (reason,) = strict.reasons
    assert "the gate says INCONCLUSIVE" in reason
    assert lenient.reasons == ()
    assert strict.gate == lenient.gate


def test_a_champion_that_cannot_be_compared_with_refuses_everybody(
    duel: Duel, rows: Rows, examined: Examined
) -> None:
    champion, run_id = duel(0.0, 1.0)

    gone = examined(run_id, of=[row for row in rows() if row["run_id"] == run_id])
    old = examined(run_id, of=stale(rows(), champion))

    assert gone.reasons == (
        f"the champion {champion} has no row on golden-v2.test by answers to compare with",
    )
    assert old.reasons == (
        f"there is nothing to compare with: the row of {champion} on golden-v2.test is stale: old",
    )


def test_a_champion_whose_scores_are_damaged_refuses_everybody(
    store: Store, duel: Duel, rows: Rows, examined: Examined
) -> None:
    champion, run_id = duel(0.0, 1.0)
    before = rows()
    scores = store.run(champion).slot("eval/golden-v2.test").resolve().path / "item_scores.parquet"
    scores.write_bytes(b"damaged")

    (reason,) = examined(run_id, of=before).reasons

    assert reason.startswith(f"the gate cannot compare with {champion}: ")


def test_every_reason_is_told_at_once(
    store: Store,
    duel: Duel,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
    reproduce: Callable[..., None],
    examined: Examined,
) -> None:
    _, run_id = duel(1.0, 0.0)
    registered()
    model, predictions = (store.run(run_id).slot(name) for name in ("model", "predictions/golden-v2.test"))
    text = DifferingText(item_id="one", sample_index=0, published="4", found="5")
    digests = {"model": model.resolve().digest, "predictions": predictions.resolve().digest}
    reproduce(run_id, **digests, differing=[text])
    (model.resolve().path / "model.safetensors").write_text("damaged")
    demanded = {**rules.required_checks, "checkpoint": ["never_run"]}

    found = examined(run_id, of=stale(rows(), run_id), required_checks=demanded)

    assert [word for reason in found.reasons for word in WORDS if word in reason] == list(WORDS)


WORDS = (
    "is stale: old",
    "model.safetensors has sha256",
    "the check never_run of checkpoint has not been run",
    "wrote 1 of 2 texts anew",
    "the gate says FAIL",
)


def test_a_model_that_could_not_be_asked_again_is_refused(contender: Contender, examined: Examined) -> None:
    run_id = contender("one")

    found = examined(run_id, hindrance="device 'gpu' is not present")

    assert found.reasons == (f"the model of {run_id} could not be asked again: device 'gpu' is not present",)


def test_a_run_without_a_row_is_refused(store: Store, rows: Rows, rules: PromotionRules) -> None:
    examined = examine(store, RegisteredModel(MODEL), "nobody", rows=rows(), rules=rules)

    assert examined.reasons == ("nobody has no row on golden-v2.test by answers",)


@pytest.mark.parametrize("changes", [{"inputs": "{}"}, {"dataset_version": None}])
def test_a_system_from_elsewhere_is_refused(
    store: Store, contender: Contender, rows: Rows, rules: PromotionRules, changes: Row
) -> None:
    run_id = contender("one")

    examined = examine(store, RegisteredModel(MODEL), run_id, rows=[rows()[0] | changes], rules=rules)

    assert examined.reasons == (f"{run_id} was made elsewhere: there is no model of it here",)


# promote


def test_a_promotion_is_an_event_with_gate_and_evidence(store: Store, duel: Duel, install: Install) -> None:
    former, run_id = duel(0.0, 1.0)

    model = install(run_id)

    assert model.champion is not None
    assert model.former_champion is not None
    assert (model.champion.run_id, model.former_champion.run_id) == (run_id, former)
    assert set(model.champion.evidence) == {*EVIDENCE, "reproduction"}
    assert model == read_registered(store, MODEL)


EVIDENCE = {"model", "checkpoint", "predictions", "eval", "evaluation_set", "row"}


def test_a_run_with_a_reason_against_it_is_not_promoted(
    store: Store, contender: Contender, registered: Registered
) -> None:
    run_id = contender("one")
    model = registered()
    (version,) = model.versions
    examined = Examination(run_id=run_id, version=version, reasons=("too slow", "too dear"))

    with pytest.raises(DecisionRefused, match="is not promoted: too slow; too dear") as refusal:
        promote(store, model, examined, scope=SCOPE, actor="ada", reason="please")

    assert refusal.value.reasons == ["too slow", "too dear"]
    assert read_registered(store, MODEL).champion is None


def test_a_run_that_has_no_version_is_not_promoted(store: Store) -> None:
    examined = Examination(run_id="nobody", reasons=("nobody has no row",))

    with pytest.raises(DecisionRefused, match="nobody is not promoted: nobody has no row"):
        promote(store, RegisteredModel(MODEL), examined, scope=SCOPE, actor="ada", reason="please")


def test_what_is_not_registered_is_not_promoted(store: Store) -> None:
    examined = Examination(run_id="run-a", version="a" * 64, reasons=("it is stale",))

    with pytest.raises(DecisionRefused, match=r"is not registered in 'golden-v2\.test'; it is stale"):
        promote(store, RegisteredModel(MODEL), examined, scope=SCOPE, actor="ada", reason="please")


def test_an_examination_does_not_outlive_another_decision(
    store: Store, contender: Contender, registered: Registered, rows: Rows, rules: PromotionRules
) -> None:
    run_id, other = contender("one"), contender("two")
    model = registered()
    examined = examine(store, model, run_id, rows=rows(), rules=rules)
    rival = model.of_run(other)
    assert rival is not None
    decide(store, model, about(rival, "promote", actor="bob", reason="first"))

    with pytest.raises(StaleDecision):
        promote(store, model, examined, scope=SCOPE, actor="ada", reason="second")


# roll_back


def test_a_roll_back_brings_the_former_champion_back(store: Store, duel: Duel, install: Install) -> None:
    _, run_id = duel(0.0, 1.0)
    model = install(run_id)
    former, present = model.former_champion, model.champion
    assert former is not None
    assert present is not None

    model = roll_back(store, model, former, actor="ada", reason="it answers in French")

    assert model.champion is not None
    assert model.champion.version == former.version
    assert model.versions[present.version].status == "rejected"


def test_a_roll_back_to_damaged_files_is_refused(store: Store, duel: Duel, install: Install) -> None:
    _, run_id = duel(0.0, 1.0)
    model = install(run_id)
    former = model.former_champion
    assert former is not None
    (store.run(former.run_id).slot("model").resolve().path / "model.safetensors").write_text("damaged")

    with pytest.raises(DecisionRefused, match=r"is not rolled back: .*model\.safetensors has sha256"):
        roll_back(store, model, former, actor="ada", reason="it answers in French")


def test_a_roll_back_to_who_was_never_champion_tells_every_reason(
    store: Store, contender: Contender, registered: Registered
) -> None:
    run_id = contender("one")
    model = registered()
    (store.run(run_id).slot("model").resolve().path / "model.safetensors").write_text("damaged")
    (version,) = model.versions.values()

    with pytest.raises(DecisionRefused) as refusal:
        roll_back(store, model, version, actor="ada", reason="why not")

    assert len(refusal.value.reasons) == 2


def test_a_decision_about_a_version_has_its_scope(contender: Contender, registered: Registered) -> None:
    contender("one")
    (version,) = registered().versions.values()

    decision = about(version, "reject", actor="ada", reason="too slow")

    assert isinstance(decision, Decision)
    assert (decision.version, decision.run_id) == (version.version, version.run_id)
    assert (decision.evaluation_set, decision.scorer) == SCOPE
