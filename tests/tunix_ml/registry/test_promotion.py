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


@pytest.fixture
def registered(store: Store, rows: Rows) -> Callable[[], RegisteredModel]:
    """A function that registers what is new and returns the state after it."""

    def register() -> RegisteredModel:
        return register_new(store, read_registered(store, MODEL), rows(), scope=SCOPE, actor="ada")

    return register


@pytest.fixture
def install(
    store: Store, rows: Rows, rules: PromotionRules, registered: Callable[[], RegisteredModel]
) -> Callable[[str], RegisteredModel]:
    """A function that promotes a run for which everything speaks, and returns the state after it."""

    def bring_in(run_id: str) -> RegisteredModel:
        model = registered()
        examined = examine(store, model, run_id, rows=rows(), rules=rules)
        return promote(store, model, examined, scope=SCOPE, actor="ada", reason="for the test")

    return bring_in


Registered = Callable[[], RegisteredModel]
Install = Callable[[str], RegisteredModel]


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


def test_nothing_stands_against_the_first_sound_run(
    store: Store, contender: Contender, registered: Registered, rows: Rows, rules: PromotionRules
) -> None:
    run_id = contender("one")

    examined = examine(store, registered(), run_id, rows=rows(), rules=rules)

    assert (examined.reasons, examined.gate) == ((), None)
    assert examined.evidence["model"] == examined.version


def test_a_better_run_passes_the_gate_against_the_champion(
    store: Store,
    contender: Contender,
    install: Install,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
) -> None:
    install(contender("poor", 0.0))
    run_id = contender("good", 1.0)

    examined = examine(store, registered(), run_id, rows=rows(), rules=rules)

    assert examined.reasons == ()
    assert examined.gate is not None
    assert examined.gate.verdict == "PASS"


def test_a_worse_run_is_refused_by_the_gate(
    store: Store,
    contender: Contender,
    install: Install,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
) -> None:
    champion = contender("good", 1.0)
    install(champion)
    run_id = contender("poor", 0.0)

    examined = examine(store, registered(), run_id, rows=rows(), rules=rules)

    (reason,) = examined.reasons
    assert reason.startswith(f"the gate says FAIL against {champion}: worse: ")


def test_an_inconclusive_gate_is_enough_only_where_that_is_allowed(
    store: Store,
    contender: Contender,
    install: Install,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
) -> None:
    install(contender("one"))
    run_id = contender("two")
    model = registered()

    strict = examine(store, model, run_id, rows=rows(), rules=rules)
    lenient = examine(store, model, run_id, rows=rows(), rules=replace(rules, allow_inconclusive=True))

    (reason,) = strict.reasons
    assert "the gate says INCONCLUSIVE" in reason
    assert lenient.reasons == ()
    assert strict.gate == lenient.gate


def test_a_champion_that_cannot_be_compared_with_refuses_everybody(
    store: Store,
    contender: Contender,
    install: Install,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
) -> None:
    champion = contender("poor", 0.0)
    install(champion)
    run_id = contender("good", 1.0)
    model = registered()
    others = [row for row in rows() if row["run_id"] == run_id]
    stale = [
        row | {"status": "stale", "reason": "old"} if row["run_id"] == champion else row for row in rows()
    ]

    gone = examine(store, model, run_id, rows=others, rules=rules)
    old = examine(store, model, run_id, rows=stale, rules=rules)

    assert gone.reasons == (
        f"the champion {champion} has no row on golden-v2.test by answers to compare with",
    )
    assert old.reasons == (
        f"there is nothing to compare with: the row of {champion} on golden-v2.test is stale: old",
    )


def test_a_champion_whose_scores_are_damaged_refuses_everybody(
    store: Store,
    contender: Contender,
    install: Install,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
) -> None:
    champion = contender("poor", 0.0)
    install(champion)
    run_id = contender("good", 1.0)
    model, before = registered(), rows()
    scores = store.run(champion).slot("eval/golden-v2.test").resolve().path / "item_scores.parquet"
    scores.write_bytes(b"damaged")

    examined = examine(store, model, run_id, rows=before, rules=rules)

    (reason,) = examined.reasons
    assert reason.startswith(f"the gate cannot compare with {champion}: ")


def test_every_reason_is_told_at_once(
    store: Store,
    contender: Contender,
    install: Install,
    registered: Registered,
    rows: Rows,
    rules: PromotionRules,
    reproduce: Callable[..., None],
) -> None:
    install(contender("good", 1.0))
    run_id = contender("poor", 0.0)
    model = registered()
    run = store.run(run_id)
    inputs = {"model": run.slot("model").resolve().digest}
    inputs["predictions"] = run.slot("predictions/golden-v2.test").resolve().digest
    text = DifferingText(item_id="one", sample_index=0, published="4", found="5")
    reproduce(run_id, **inputs, differing=[text])
    (run.slot("model").resolve().path / "model.safetensors").write_text("damaged")
    stale = [row | {"status": "stale", "reason": "old"} if row["run_id"] == run_id else row for row in rows()]
    demanding = replace(rules, required_checks={**rules.required_checks, "checkpoint": ["never_run"]})

    examined = examine(store, model, run_id, rows=stale, rules=demanding)

    assert [word for reason in examined.reasons for word in WORDS if word in reason] == list(WORDS)


WORDS = (
    "is stale: old",
    "model.safetensors has sha256",
    "the check never_run of checkpoint has not been run",
    "wrote 1 of 2 texts anew",
    "the gate says FAIL",
)


def test_a_model_that_could_not_be_asked_again_is_refused(
    store: Store, contender: Contender, registered: Registered, rows: Rows, rules: PromotionRules
) -> None:
    run_id = contender("one")

    examined = examine(
        store, registered(), run_id, rows=rows(), rules=rules, hindrance="device 'gpu' is not present"
    )

    assert examined.reasons == (
        f"the model of {run_id} could not be asked again: device 'gpu' is not present",
    )


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


def test_a_promotion_is_an_event_with_gate_and_evidence(
    store: Store, contender: Contender, install: Install
) -> None:
    former = contender("poor", 0.0)
    install(former)
    run_id = contender("good", 1.0)

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


def test_a_roll_back_brings_the_former_champion_back(
    store: Store, contender: Contender, install: Install
) -> None:
    install(contender("poor", 0.0))
    model = install(contender("good", 1.0))
    former, present = model.former_champion, model.champion
    assert former is not None
    assert present is not None

    model = roll_back(store, model, former, actor="ada", reason="it answers in French")

    assert model.champion is not None
    assert model.champion.version == former.version
    assert model.versions[present.version].status == "rejected"


def test_a_roll_back_to_damaged_files_is_refused(
    store: Store, contender: Contender, install: Install
) -> None:
    install(contender("poor", 0.0))
    model = install(contender("good", 1.0))
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
