from collections.abc import Callable
from typing import Any

import pytest

from asset_checks import dataset
from asset_checks.outcome import Check, Outcome, Subject
from asset_checks.verdict import audit
from tunix_ml.audits import NotAudited, audits, require_audits
from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.evaluation_publish import publish_catalog
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.datasets.quality.publish import publish_quality
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


@pytest.fixture
def subject(store: Store, golden: Snapshot) -> Subject:
    slot = store.slot("dataset", "golden-v2")
    return Subject(store, "golden-v2", slot, golden)


def unreadable(subject: Subject) -> Outcome:
    """It can be read."""
    raise ContractError(f"{subject.dataset_version} has no such file")


def doubtful(subject: Subject) -> Outcome:
    """It is beyond doubt."""
    return Outcome(False, "there is a doubt", severity="WARN")


def test_a_check_that_cannot_read_its_subject_has_failed(subject: Subject) -> None:
    outcome = audit(Check("dataset", unreadable), subject)

    assert (outcome.passed, outcome.description) == (False, "golden-v2 has no such file")
    with pytest.raises(NotAudited, match="golden-v2 has no such file"):
        require_audits(subject.slot, subject.snapshot, ["unreadable"])


def test_a_warning_refuses_nobody(subject: Subject) -> None:
    assert not audit(Check("dataset", doubtful), subject).passed

    assert require_audits(subject.slot, subject.snapshot, ["doubtful"])


def test_a_warning_is_not_told_as_passed(subject: Subject) -> None:
    audit(Check("dataset", doubtful), subject)

    assert audits(subject.slot, subject.snapshot.digest)["doubtful"].verdict == "warning"


def test_a_new_report_changes_the_stored_verdict(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    publish_catalog(store, report=lambda line: None)
    leaked = load_evaluation_set(store, "eval-v1").items[0]
    entry = write_entry([_trace(leaked.prompt)], splits={"train": 1.0})
    snapshot = build_dataset(store, entry, report=lambda line: None)
    subject, check = (
        Subject(store, "mine-v1", store.slot("dataset", "mine-v1"), snapshot),
        "no_known_contamination",
    )

    audit(dataset.NO_KNOWN_CONTAMINATION, subject)
    before = audits(subject.slot, snapshot.digest)[check].passed
    publish_quality(store, "mine-v1")
    audit(dataset.NO_KNOWN_CONTAMINATION, subject)

    assert (before, audits(subject.slot, snapshot.digest)[check].passed) == (True, False)
    with pytest.raises(NotAudited, match="1 items of eval-v1"):
        require_audits(subject.slot, snapshot, [check])


def _trace(prompt: str) -> dict[str, Any]:
    steps = [{"i": 0, "type": "calculate", "content": "So."}]
    return {"trace_version": "1.0", "prompt": prompt, "final_answer": "1", "steps": steps}
