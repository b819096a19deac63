from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.registry import PromotionOutcome, RegistryConfig
from tunix_ml.registry.actions import Request, carry_out, default_name, make_request, prepare
from tunix_ml.registry.events import event_log
from tunix_ml.registry.models import IllegalTransition, RegisteredModel, read_registered
from tunix_ml.registry.policy import Scope
from tunix_ml.registry.promotion import DecisionRefused, PromotionRules
from tunix_ml.store import Store

TEST_SET = "golden-v2.test"
Row = dict[str, Any]
Rows = Callable[[], list[Row]]
Contender = Callable[..., str]
Do = Callable[..., PromotionOutcome]


@pytest.fixture
def ask(rows: Rows, rules: PromotionRules) -> Callable[..., Request]:
    """A function that returns the request of a configuration."""

    def make(**config: Any) -> Request:
        return make_request(
            RegistryConfig.model_validate({"actor": "ada", **config}),
            rows(),
            dataset_version="golden-v2",
            required_checks=rules.required_checks,
        )

    return make


@pytest.fixture
def do(store: Store, rows: Rows, ask: Callable[..., Request]) -> Do:
    """A function that does what a configuration asks for."""

    def act(**config: Any) -> PromotionOutcome:
        request, board = ask(**config), rows()
        prepare(store, request, board)
        return carry_out(store, request, board)

    return act


@pytest.fixture
def model(store: Store) -> Callable[[], RegisteredModel]:
    """A function that returns the registered model as it is now."""
    return lambda: read_registered(store, TEST_SET)


def champion(store: Store) -> str | None:
    found = read_registered(store, TEST_SET).champion
    return found.run_id if found else None


def kinds(store: Store) -> list[str]:
    return [event.kind for event in event_log(store, TEST_SET).read()]


# make_request


def test_a_partition_stands_for_its_test_split(ask: Callable[..., Request]) -> None:
    request = ask()

    assert (request.model, request.scope) == (TEST_SET, Scope(TEST_SET, "answers"))


def test_what_is_named_counts(ask: Callable[..., Request]) -> None:
    request = ask(
        model="mine", evaluation_set="hard-v1", scorer="judge:strict", delta=0.1, allow_inconclusive=True
    )

    assert (request.model, request.scope) == ("mine", Scope("hard-v1", "judge:strict"))
    assert (request.rules.delta, request.rules.allow_inconclusive) == (0.1, True)


def test_a_judge_has_a_registered_model_of_its_own() -> None:
    assert default_name(Scope("hard-v1", "judge:strict")) == "hard-v1.strict"


def test_the_only_board_there_is_is_meant(contender: Contender, rows: Rows) -> None:
    contender("one")

    request = make_request(RegistryConfig(), rows(), dataset_version=None, required_checks={})

    assert request.scope.evaluation_set == TEST_SET


def test_of_several_boards_one_has_to_be_named(contender: Contender, rows: Rows) -> None:
    contender("one")
    (row,) = rows()

    with pytest.raises(ContractError, match=r"which board is meant: there are golden-v2\.test, hard-v1"):
        make_request(
            RegistryConfig(),
            [row, row | {"evaluation_set": "hard-v1"}],
            dataset_version=None,
            required_checks={},
        )


def test_without_a_board_nothing_can_be_meant() -> None:
    with pytest.raises(ContractError, match="which board is meant: no run has been evaluated"):
        make_request(RegistryConfig(), [], dataset_version=None, required_checks={})


# prepare


def test_the_best_run_is_to_be_asked_again_unless_it_is_champion(
    store: Store, contender: Contender, rows: Rows, ask: Callable[..., Request], do: Do
) -> None:
    contender("poor", 0.0)
    best = contender("good", 1.0)

    row = prepare(store, ask(), rows())
    assert row is not None
    assert row["run_id"] == best
    do()
    assert prepare(store, ask(), rows()) is None


def test_a_run_to_be_promoted_by_name_is_asked_again(
    store: Store, contender: Contender, rows: Rows, ask: Callable[..., Request]
) -> None:
    run_id = contender("poor", 0.0)
    contender("good", 1.0)

    row = prepare(store, ask(action="promote", run_id=run_id, reason="why not"), rows())

    assert row is not None
    assert row["run_id"] == run_id


@pytest.mark.parametrize("action", ["reject", "roll_back", "retire"])
def test_for_other_actions_nobody_is_asked(
    store: Store, contender: Contender, rows: Rows, ask: Callable[..., Request], action: str
) -> None:
    run_id = contender("one")

    assert prepare(store, ask(action=action, run_id=run_id, reason="why not"), rows()) is None
    assert kinds(store) == (["register"] if action == "reject" else [])


# promote_best


def test_the_best_run_becomes_champion(store: Store, contender: Contender, do: Do) -> None:
    contender("poor", 0.0)
    best = contender("good", 1.0)

    outcome = do()

    assert (outcome.result, outcome.run_id, outcome.reasons, outcome.gate) == ("promoted", best, [], None)
    assert champion(store) == best
    promoted = event_log(store, TEST_SET).read()[-1]
    assert promoted.reason == "best on golden-v2.test, with a score of 1.0000"


def test_doing_it_again_decides_nothing_new(store: Store, contender: Contender, do: Do) -> None:
    best = contender("good", 1.0)
    do()

    outcome = do()

    assert (outcome.result, outcome.run_id) == ("kept", best)
    assert outcome.reasons == [f"{best} is the champion already"]
    assert kinds(store) == ["register", "promote"]


def test_a_run_that_ties_with_the_champion_does_not_replace_it(
    store: Store, contender: Contender, do: Do
) -> None:
    first = contender("one")
    do()
    contender("two")

    outcome = do()

    assert (outcome.result, outcome.run_id) == ("kept", first)
    assert kinds(store) == ["register", "promote", "register"]


def test_a_better_run_replaces_the_champion(store: Store, contender: Contender, do: Do) -> None:
    contender("poor", 0.0)
    do()
    better = contender("good", 1.0)

    outcome = do()

    assert (outcome.result, outcome.run_id) == ("promoted", better)
    assert outcome.gate is not None
    assert outcome.gate.verdict == "PASS"


def test_a_run_that_may_not_be_promoted_goes_on_waiting_with_the_reasons(
    store: Store, contender: Contender, do: Do
) -> None:
    run_id = contender("one")
    slot = store.run(run_id).slot("reproduction/golden-v2.test")
    (slot.path / "pointer.json").unlink()

    outcome = do()

    assert (outcome.result, outcome.run_id) == ("kept", run_id)
    assert outcome.reasons == [f"the model of {run_id} has not been asked again yet"]
    assert [version.status for version in read_registered(store, TEST_SET).versions.values()] == ["candidate"]


def test_why_the_model_could_not_be_asked_is_among_the_reasons(
    store: Store, contender: Contender, rows: Rows, ask: Callable[..., Request]
) -> None:
    run_id = contender("one")
    request = ask()
    prepare(store, request, rows())

    outcome = carry_out(store, request, rows(), hindrance="no GPU here")

    assert outcome.reasons == [f"the model of {run_id} could not be asked again: no GPU here"]


def test_a_best_run_that_fails_the_gate_is_rejected(
    store: Store, contender: Contender, rows: Rows, ask: Callable[..., Request], do: Do
) -> None:
    former = contender("good", 1.0)
    do()
    worse = contender("poor", 0.0)
    request = ask()
    board = [row | {"tie_group": 1 + (row["run_id"] == former)} for row in rows()]  # as if it stood above
    prepare(store, request, board)

    outcome = carry_out(store, request, board)

    assert (outcome.result, outcome.run_id) == ("rejected", worse)
    assert outcome.gate is not None
    assert outcome.gate.verdict == "FAIL"
    assert event_log(store, TEST_SET).read()[-1].gate == outcome.gate
    assert champion(store) == former


def test_what_was_rejected_is_not_the_best_again(store: Store, contender: Contender, do: Do) -> None:
    second, first = contender("poor", 0.0), contender("good", 1.0)
    do(action="reject", run_id=first, reason="it answers in French")

    outcome = do()

    assert (outcome.result, outcome.run_id) == ("promoted", second)


def test_without_a_run_there_is_nothing_to_promote(store: Store, do: Do) -> None:
    outcome = do()

    assert (outcome.result, outcome.version, outcome.run_id) == ("kept", None, None)
    assert outcome.reasons == ["no run that may be chosen has a valid row on golden-v2.test by answers"]


def test_without_a_valid_row_it_is_told_what_is_wrong_with_the_others(
    store: Store, contender: Contender, do: Do
) -> None:
    run_id = contender("one")
    audits = store.run(run_id).slot("eval/golden-v2.test").path / "audits"
    next(audits.rglob("means_follow_from_the_items.json")).unlink()

    _, reason = do().reasons

    assert reason.startswith(f"the row of {run_id} on golden-v2.test is invalid: check means_follow")


# by name


def test_a_run_is_promoted_by_name(store: Store, contender: Contender, do: Do) -> None:
    run_id = contender("poor", 0.0)
    contender("good", 1.0)

    outcome = do(action="promote", run_id=run_id, reason="it is small")

    assert (outcome.result, outcome.run_id) == ("promoted", run_id)
    assert event_log(store, TEST_SET).read()[-1].reason == "it is small"


def test_a_promotion_by_name_that_must_not_be_fails_with_the_reasons(
    store: Store, contender: Contender, do: Do
) -> None:
    contender("good", 1.0)
    do()
    worse = contender("poor", 0.0)

    with pytest.raises(DecisionRefused, match="the gate says FAIL"):
        do(action="promote", run_id=worse, reason="please")


def test_the_champion_is_not_promoted_again(contender: Contender, do: Do) -> None:
    run_id = contender("good", 1.0)
    do()

    with pytest.raises(DecisionRefused, match="is the champion already"):
        do(action="promote", run_id=run_id, reason="please")


def test_a_rolled_back_champion_is_not_the_best_again(store: Store, contender: Contender, do: Do) -> None:
    former = contender("poor", 0.0)
    do()
    contender("good", 1.0)
    do()

    outcome = do(action="roll_back", reason="it answers in French")

    assert (outcome.result, outcome.run_id) == ("rolled_back", former)
    assert do().result == "kept"
    assert champion(store) == former


def test_a_roll_back_goes_to_the_run_that_is_named(store: Store, contender: Contender, do: Do) -> None:
    first = contender("one", 0.0)
    do()
    for recipe, share in (("two", 0.5), ("three", 1.0)):
        run_id = contender(recipe, share)
        do(action="promote", run_id=run_id, reason="better", allow_inconclusive=True)

    outcome = do(action="roll_back", run_id=first, reason="both answer in French")

    assert (outcome.result, outcome.run_id) == ("rolled_back", first)


def test_a_roll_back_without_a_former_champion_is_refused(contender: Contender, do: Do) -> None:
    contender("one")
    do()

    with pytest.raises(DecisionRefused, match="cannot roll back: there is no former champion"):
        do(action="roll_back", reason="why not")


def test_a_version_is_retired_for_good(store: Store, contender: Contender, do: Do) -> None:
    contender("good", 1.0)
    do()
    old = contender("poor", 0.0)
    do()

    outcome = do(action="retire", run_id=old, reason="its data was withdrawn")

    assert (outcome.result, outcome.run_id) == ("retired", old)
    with pytest.raises(IllegalTransition, match="is retired, which is for good"):
        do(action="reject", run_id=old, reason="twice")


def test_the_champion_cannot_be_retired(contender: Contender, do: Do) -> None:
    run_id = contender("one")
    do()

    with pytest.raises(IllegalTransition, match="promote another version or roll back first"):
        do(action="retire", run_id=run_id, reason="why not")


def test_who_is_not_registered_is_named(contender: Contender, do: Do) -> None:
    contender("one")

    with pytest.raises(DecisionRefused, match=r"cannot retire: nobody is not registered"):
        do(action="retire", run_id="nobody", reason="why not")


def test_a_run_is_known_by_its_model_too(
    store: Store, contender: Contender, rows: Rows, ask: Callable[..., Request], do: Do
) -> None:
    contender("one")
    do()
    contender("two")
    do()
    twin = [row | {"run_id": "twin"} for row in rows() if row["run_id"] != champion(store)]
    request = ask(action="retire", run_id="twin", reason="the same model")

    outcome = carry_out(store, request, [*rows(), *twin])

    assert outcome.result == "retired"
