from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks.outcome import Subject
from tunix_ml.evaluation.report import read_eval
from tunix_ml.registry.validity import validity
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Tamper = Callable[..., Subject]
Edit = Callable[..., Callable[[Path], None]]


def verdict(store: Store, slot: Slot) -> tuple[str, str]:
    return validity(store, store.run(slot.key), slot, read_eval(slot), required_checks=())


def test_a_report_made_from_what_is_current_is_valid(store: Store, evaluated: Callable[..., Slot]) -> None:
    assert verdict(store, evaluated()) == ("valid", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"template": "0" * 64}, "changed since: template"),
        ({"model": "0" * 64, "dataset": "1" * 64}, "changed since: dataset, model"),
    ],
)
def test_a_report_names_every_input_that_changed(
    store: Store,
    evaluated: Callable[..., Slot],
    tampered: Tamper,
    edit_json: Edit,
    change: dict[str, str],
    reason: str,
) -> None:
    slot = evaluated()
    tampered(slot, edit_json("eval.json", inputs={**read_eval(slot).inputs, **change}))

    assert verdict(store, slot) == ("stale", reason)


def test_a_change_touches_only_the_reports_that_rest_on_it(
    store: Store, evaluated: Callable[..., Slot], tampered: Tamper, edit_json: Edit
) -> None:
    slots = [evaluated(recipe=name) for name in ("one", "two")]
    tampered(slots[0], edit_json("eval.json", scorers={"answer_correctness": "0" * 64}))

    assert [verdict(store, slot) for slot in slots] == [
        ("stale", "changed since: scorer of answer_correctness"),
        ("valid", ""),
    ]


def test_a_template_that_is_no_more_is_a_change(
    store: Store, evaluated: Callable[..., Slot], tampered: Tamper, edit_json: Edit
) -> None:
    slot = evaluated()
    tampered(slot, edit_json("eval.json", answer_rule="reasoning_rhymes"))

    assert verdict(store, slot) == ("stale", "changed since: template")


@pytest.mark.parametrize("changes", [{"scorer": "judge:someone"}, {"scorer": "judge:x", "inputs": {}}])
def test_a_judge_that_was_never_calibrated_makes_no_valid_report(
    store: Store,
    evaluated: Callable[..., Slot],
    tampered: Tamper,
    edit_json: Edit,
    changes: dict[str, Any],
) -> None:
    slot = evaluated()
    tampered(slot, edit_json("eval.json", **changes))

    status, reason = verdict(store, slot)

    assert status == "invalid"
    assert reason.endswith("was never calibrated")
