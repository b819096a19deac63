from pathlib import Path

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import SweepIdentity
from tunix_ml.durable import LeaseHeld
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.tuning.trials import TrialTable, read_trials


@pytest.fixture
def table(store: Store, swept: Snapshot) -> TrialTable:
    identity = SweepIdentity.read(swept.file("identity.json"))
    return TrialTable(store, identity)


def test_a_new_sweep_has_no_trials(store: Store, swept: Snapshot) -> None:
    identity = SweepIdentity.read(swept.file("identity.json"))
    other = identity.model_copy(update={"spec": identity.spec.model_copy(update={"sweep_seed": 9})})
    table = TrialTable(store, other)

    assert table.load(retry_failed=False) == 0
    assert table.search == table.reruns == []


def test_every_change_is_published(table: TrialTable) -> None:
    table.load(retry_failed=False)

    table.change({0: {"status": "running"}})

    assert read_trials(table.slot.resolve())[0].status == "running"
    assert [trial.number for trial in table.search] == [0, 1, 2, 3, 4]
    assert [trial.number for trial in table.reruns] == [5, 6]


def test_what_was_running_waits_again_and_says_so(table: TrialTable) -> None:
    table.load(retry_failed=False)
    table.change({0: {"status": "running"}, 3: {"status": "running"}})

    assert table.load(retry_failed=False) == 2
    assert [trial.status for trial in table.search] == [
        "waiting",
        "complete",
        "complete",
        "waiting",
        "failed",
    ]
    assert read_trials(table.slot.resolve())[0].status == "waiting"


def test_what_has_failed_waits_again_if_that_is_asked_for(table: TrialTable) -> None:
    assert table.load(retry_failed=True) == 0

    assert (table[4].status, table[4].reason) == ("waiting", None)


def test_a_metric_without_completion_cannot_be_written(table: TrialTable) -> None:
    table.load(retry_failed=False)

    with pytest.raises(ValidationError, match=r"trial 1 is failed with metric 1\.5"):
        table.change({1: {"status": "failed", "reason": "it broke"}})
    assert read_trials(table.slot.resolve())[1].status == "complete"


def test_a_table_of_another_sweep_is_refused(table: TrialTable, swept: Snapshot, tmp_path: Path) -> None:
    identity = SweepIdentity.read(swept.file("identity.json"))
    other = identity.model_copy(update={"spec": identity.spec.model_copy(update={"sweep_seed": 9})})
    with table.slot.publish() as draft:
        (draft.path / "identity.json").write_bytes(other.to_json())

    with pytest.raises(ContractError, match=rf"is of the sweep {other.fingerprint()}, not"):
        table.load(retry_failed=False)


def test_one_process_at_a_time_drives_a_sweep(table: TrialTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunix_ml.tuning.trials._OWNERSHIP_TIMEOUT_S", 0.0)

    with table.owned(), pytest.raises(LeaseHeld), table.owned():
        pass
