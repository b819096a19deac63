from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.registry import RegistryConfig, RegistryEvent, check_model_name


def event(**changes: Any) -> RegistryEvent:
    fields = {
        "kind": "register",
        "version": "a" * 64,
        "run_id": "golden-v2.tiny.0123456789",
        "actor": "ada",
        "reason": "new",
        "evaluation_set": "golden-v2.test",
        "scorer": "answers",
        "sequence": 1,
        "model": "golden-v2.test",
        "at": "2026-01-01T00:00:00+00:00",
        "previous": None,
    }
    return RegistryEvent.model_validate(fields | changes)


def test_an_event_read_back_is_the_same() -> None:
    written = event(evidence={"eval": "b" * 64}, previous="c" * 64, sequence=2)

    assert RegistryEvent.parse(written.to_json(), subject="an event") == written


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 0},
        {"kind": "delete"},
        {"version": "abc"},
        {"actor": ""},
        {"reason": ""},
        {"model": "../other"},
        {"comment": "more"},
    ],
)
def test_what_is_no_event_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        event(**changes)


@pytest.mark.parametrize("name", ["golden-v2.test", "default", "A_1", "x" * 128])
def test_a_name_can_be_the_name_of_a_folder(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", "a/b", ".hidden", "a-", "x" * 129, "ä"])
def test_a_name_that_cannot_be_the_name_of_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match="cannot name a registered model"):
        check_model_name(name)


def test_the_bare_configuration_promotes_the_best() -> None:
    config = RegistryConfig()

    assert (config.action, config.model, config.allow_inconclusive) == ("promote_best", "", False)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"action": "promote", "run_id": "a"}, "action promote needs a `reason`"),
        ({"action": "promote", "reason": "why"}, "action promote needs a `run_id`"),
        ({"action": "reject", "reason": "why"}, "action reject needs a `run_id`"),
        ({"action": "retire", "reason": "why"}, "action retire needs a `run_id`"),
        ({"action": "roll_back"}, "action roll_back needs a `reason`"),
        ({"model": "a/b"}, "cannot name a registered model"),
        ({"delta": 0}, "greater than 0"),
        ({"champion": "a"}, "Extra inputs"),
    ],
)
def test_an_action_says_what_it_needs(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        RegistryConfig.model_validate(fields)


def test_a_roll_back_needs_no_run() -> None:
    assert RegistryConfig(action="roll_back", reason="it answers in French").run_id == ""
