"""Facts about orchestration runs."""

from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.run_state import StatusFact
from tunix_ml.status_facts import record_status, status_facts
from tunix_ml.store import Store


def fact(run: str = "a", status: str = "queued", at: str = "2026-01-01T00:00:00+00:00") -> StatusFact:
    return StatusFact.model_validate(
        {"orchestration_run_id": run, "status": status, "at": at, "assets": ["checkpoint"]}
    )


def test_a_store_without_facts_has_none(store: Store) -> None:
    assert status_facts(store) == []


def test_facts_come_back_oldest_first(store: Store) -> None:
    late, early = fact("a", at="2026-01-02T00:00:00+00:00"), fact("b", at="2026-01-01T00:00:00+00:00")

    assert [record_status(store, one) for one in (late, early)] == [True, True]
    assert status_facts(store) == [early, late]


def test_a_fact_is_never_changed(store: Store) -> None:
    record_status(store, fact(at="2026-01-01T00:00:00+00:00"))

    assert record_status(store, fact(at="2026-01-02T00:00:00+00:00")) is False
    assert [found.at for found in status_facts(store)] == ["2026-01-01T00:00:00+00:00"]
    assert list((store.home / "status").rglob(".tmp-*")) == []


@pytest.mark.parametrize("damaged", ["", "{}", fact("another").to_json().decode()])
def test_a_damaged_fact_counts_for_nothing(store: Store, damaged: str) -> None:
    record_status(store, fact())
    (store.home / "status" / "a" / "failed.json").write_text(damaged)

    assert status_facts(store) == [fact()]


@pytest.mark.parametrize("name", ["../a", "", "a/b", ".hidden"])
def test_an_id_that_leads_elsewhere_is_refused(store: Store, name: Any) -> None:
    with pytest.raises(ContractError, match="is not an id"):
        record_status(store, fact(name))
