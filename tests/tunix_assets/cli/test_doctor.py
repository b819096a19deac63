from collections.abc import Callable
from typing import Any

import pytest

from tunix_assets.doctor import machine
from tunix_assets.doctor.finding import Finding
from tunix_ml.store import Store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the two processes that load JAX and the definitions; they have tests of their own."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr(machine, "examine_installation", lambda: Finding("installation", "well", "all"))
    monkeypatch.setattr(machine, "examine_devices", lambda: Finding("devices", "well", "cpu"))


def test_a_store_that_is_well_has_nothing_wrong(store: Store, command: Callable[..., Any]) -> None:
    store.home.mkdir()

    answer = command("doctor")

    assert answer.code == 0
    assert [line.split()[1] for line in answer.out.splitlines()[1:]] == [
        "installation",
        "devices",
        "disk",
        "permissions",
        "leases",
        "drafts",
        "runs",
        "slots",
    ]


def test_something_wrong_has_a_code_of_its_own(store: Store, command: Callable[..., Any]) -> None:
    store.home.mkdir()
    store.home.chmod(0o777)

    answer = command("doctor", "--json")

    assert (answer.code, answer.record["is_well"]) == (3, False)
    (wrong,) = [finding for finding in answer.record["findings"] if finding["health"] == "wrong"]
    assert wrong["subject"] == "permissions"
