from collections.abc import Callable

import pytest

from tunix_ml.contracts.registry import Decision
from tunix_ml.registry.events import CorruptLog, EventLog, StaleDecision
from tunix_ml.registry.models import (
    IllegalTransition,
    RegisteredModel,
    decide,
    fold,
    illegal,
    label_of,
    read_registered,
)
from tunix_ml.store import Store

Append = Callable[..., None]
Decide = Callable[..., Decision]


@pytest.fixture
def after(log: EventLog, append: Append) -> Callable[..., RegisteredModel]:
    """A function that returns the state after some events."""

    def state(*told: str) -> RegisteredModel:
        append(*told)
        return fold(log.model, log.read())

    return state


After = Callable[..., RegisteredModel]


def statuses(model: RegisteredModel) -> dict[str, str]:
    return {digest[0]: version.status for digest, version in model.versions.items()}


def aliases(model: RegisteredModel) -> dict[str, str]:
    return {alias: digest[0] for alias, digest in model.aliases.items()}


def test_a_model_without_an_event_has_nothing(store: Store) -> None:
    model = read_registered(store, "golden-v2.test")

    assert (model.head, model.champion, model.former_champion, model.candidate) == (None, None, None, None)
    assert (model.aliases, model.record()) == ({}, None)


@pytest.mark.parametrize(
    ("events", "expected", "named"),
    [
        (["register a"], {"a": "candidate"}, {"candidate": "a"}),
        (["register a", "register b"], {"a": "registered", "b": "candidate"}, {"candidate": "b"}),
        (["register a", "promote a"], {"a": "champion"}, {"champion": "a"}),
        (["register a", "reject a"], {"a": "rejected"}, {}),
        (["register a", "retire a"], {"a": "retired"}, {}),
        (
            ["register a", "register b", "promote a"],
            {"a": "champion", "b": "candidate"},
            {"candidate": "b", "champion": "a"},
        ),
        (
            ["register a", "promote a", "register b", "promote b"],
            {"a": "archived", "b": "champion"},
            {"archived": "a", "champion": "b"},
        ),
        (
            ["register a", "promote a", "register b", "promote b", "roll_back a"],
            {"a": "champion", "b": "rejected"},
            {"champion": "a"},
        ),
        (
            ["register a", "promote a", "register b", "promote b", "promote a"],
            {"a": "champion", "b": "archived"},
            {"archived": "b", "champion": "a"},
        ),
        (
            ["register a", "promote a", "register b", "promote b", "retire a"],
            {"a": "retired", "b": "champion"},
            {"champion": "b"},
        ),
        (["register a", "reject a", "promote a"], {"a": "champion"}, {"champion": "a"}),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) else "",
)
def test_statuses_and_aliases_follow_from_the_events(
    after: After, events: list[str], expected: dict[str, str], named: dict[str, str]
) -> None:
    model = after(*events)

    assert (statuses(model), aliases(model)) == (expected, named)


THREE = ["register a", "promote a", "register b", "promote b", "register c", "promote c"]


def test_a_roll_back_past_a_champion_keeps_that_one_to_go_back_to(after: After) -> None:
    model = after(*THREE, "roll_back a")

    assert statuses(model) == {"a": "champion", "b": "archived", "c": "rejected"}
    assert aliases(model) == {"champion": "a", "archived": "b"}


def test_a_former_champion_that_was_rejected_is_no_way_back(after: After) -> None:
    model = after(*THREE, "reject b")

    assert aliases(model) == {"champion": "c", "archived": "a"}


def test_a_version_says_when_and_why_it_got_its_status(log: EventLog, after: After) -> None:
    (version,) = after("register a", "promote a").versions.values()

    registered, promoted = log.read()
    assert (version.registered_at, version.decided_at) == (registered.at, promoted.at)
    assert version.reason == "promote a"


def test_a_promotion_brings_newer_evidence_and_the_run_it_is_of(
    store: Store, after: After, decision: Decide
) -> None:
    model = after("register a")
    newer = {"run_id": "run-z", "evidence": {"eval": "e" * 64}, "evaluation_set": "hard-v1"}

    model = decide(store, model, decision("promote", "a", **newer))

    (version,) = model.versions.values()
    assert (version.run_id, version.evidence, version.evaluation_set) == (
        "run-z",
        {"eval": "e" * 64},
        "hard-v1",
    )
    assert model.of_run("run-z") == version
    assert model.of_run("run-a") is None


def test_a_decision_moves_the_state_as_reading_the_log_would(
    store: Store, after: After, decision: Decide
) -> None:
    model = after("register a")

    model = decide(store, model, decision("promote", "a"))

    assert model == read_registered(store, "golden-v2.test")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("register a", "is registered already"),
        ("register c", "is registered already"),
        ("promote x", "is not registered in 'golden-v2.test'"),
        ("reject x", "is not registered in 'golden-v2.test'"),
        ("roll_back x", "is not registered in 'golden-v2.test'"),
        ("promote b", "is the champion already"),
        ("promote d", "is retired, which is for good"),
        ("reject d", "is retired, which is for good"),
        ("retire d", "is retired, which is for good"),
        ("reject c", "is rejected already"),
        ("reject b", "is the champion: promote another version or roll back first"),
        ("retire b", "is the champion: promote another version or roll back first"),
        ("roll_back b", "is no former champion of 'golden-v2.test'"),
        ("roll_back c", "is no former champion of 'golden-v2.test'"),
    ],
)
def test_what_cannot_follow_is_refused_with_its_reason(
    store: Store, log: EventLog, after: After, decision: Decide, told: str, reason: str
) -> None:
    model = after(
        "register a",
        "promote a",
        "register b",
        "promote b",
        "register c",
        "reject c",
        "register d",
        "retire d",
    )
    kind, letter = told.split()

    with pytest.raises(IllegalTransition, match=reason):
        decide(store, model, decision(kind, letter))
    assert len(log.read()) == 8


def test_every_reason_is_told_at_once(after: After, decision: Decide) -> None:
    model = after("register a", "retire a")

    reasons = illegal(model, decision("roll_back", "a"))

    label = label_of("run-a", "a" * 64)
    assert reasons == [
        f"{label} is retired, which is for good",
        f"{label} is no former champion of 'golden-v2.test'",
    ]


def test_a_roll_back_without_a_former_champion_is_refused(
    store: Store, after: After, decision: Decide
) -> None:
    model = after("register a", "promote a")

    with pytest.raises(IllegalTransition, match="is no former champion"):
        decide(store, model, decision("roll_back", "a"))


def test_a_state_that_is_out_of_date_decides_nothing(store: Store, after: After, decision: Decide) -> None:
    model = after("register a")
    decide(store, model, decision("promote", "a"))

    with pytest.raises(StaleDecision):
        decide(store, model, decision("reject", "a"))


def test_a_log_with_an_event_that_could_not_follow_is_damaged(store: Store, append: Append) -> None:
    append("promote a")

    with pytest.raises(
        CorruptLog, match=r"event 1 of 'golden-v2.test' cannot have been: run-a .* not regist"
    ):
        read_registered(store, "golden-v2.test")


def test_what_is_published_has_the_head_and_every_version(log: EventLog, after: After) -> None:
    record = after("register a", "promote a", "register b").record()

    assert record is not None
    assert (record.head.sequence, record.head.event_digest) == (3, log.read()[-1].digest())
    assert [version.run_id for version in record.versions] == ["run-a", "run-b"]
    assert record.aliases == {"candidate": "b" * 64, "champion": "a" * 64}
