import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.audits import NotAudited
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.comparison import CompareConfig
from tunix_ml.evaluation.comparison.publish import publish_comparison, read_comparison
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]


@pytest.fixture
def slots(evaluated: Evaluated) -> tuple[Slot, Slot]:
    """The reports of a good and of a poor run."""
    return evaluated(recipe="good", share_right=0.75), evaluated(recipe="poor", share_right=0.25)


def config(slots: tuple[Slot, Slot], **changes: str) -> CompareConfig:
    return CompareConfig(**{"run_a": slots[0].key, "run_b": slots[1].key, **changes})


def test_a_comparison_rests_on_the_reports_of_both_runs(store: Store, slots: tuple[Slot, Slot]) -> None:
    snapshot = publish_comparison(store, config(slots), required_checks=())

    found = read_comparison(snapshot)
    assert (found.run_a.mean, found.run_b.mean, found.result.difference) == (0.75, 0.25, 0.5)
    assert snapshot.record.parents == {f"{slot.key}/{slot.table}": slot.resolve().digest for slot in slots}
    assert found.digest() == snapshot.digest
    assert snapshot.file("README.md").read_text(encoding="utf-8").startswith("# Comparison on golden-v2.test")


def test_the_same_two_runs_give_the_same_comparison(store: Store, slots: tuple[Slot, Slot]) -> None:
    first = publish_comparison(store, config(slots), required_checks=())

    assert (
        publish_comparison(store, config(slots, evaluation_set="golden-v2.test"), required_checks=()) == first
    )


def test_a_run_is_not_compared_with_itself(store: Store, slots: tuple[Slot, Slot]) -> None:
    with pytest.raises(ContractError, match="expected two runs"):
        publish_comparison(store, config(slots, run_b=slots[0].key), required_checks=())


def test_a_report_that_was_not_checked_is_refused(store: Store, slots: tuple[Slot, Slot]) -> None:
    with pytest.raises(NotAudited, match="never_run"):
        publish_comparison(store, config(slots), required_checks=("never_run",))


def test_runs_without_a_set_in_common_are_named_with_theirs(store: Store, slots: tuple[Slot, Slot]) -> None:
    with pytest.raises(NotPublished, match=r"have no reports by 'judge:strict'"):
        publish_comparison(store, config(slots, scorer="judge:strict"), required_checks=())


def test_where_two_sets_are_shared_one_has_to_be_said(
    store: Store, slots: tuple[Slot, Slot], tmp_path: Path
) -> None:
    for slot in slots:
        report: dict[str, Any] = json.loads((slot.resolve().path / "eval.json").read_bytes())
        with store.run(slot.key).slot("eval/pets-v1").publish() as draft:
            (draft.path / "eval.json").write_text(json.dumps({**report, "evaluation_set": "pets-v1"}))

    with pytest.raises(ContractError, match=r"golden-v2\.test, pets-v1: say which"):
        publish_comparison(store, config(slots), required_checks=())
