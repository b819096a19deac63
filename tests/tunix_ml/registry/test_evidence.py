from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks.outcome import Subject
from tunix_ml.audits import record_audit
from tunix_ml.contracts.reproduction import DifferingText
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.registry.evidence import (
    checkpoint_digest,
    damage,
    device_of,
    evidence_of,
    failed_checks,
    not_reproduced,
    read_reproduction,
    reproduction_slot,
)
from tunix_ml.registry.policy import Scope
from tunix_ml.store import Store

SCOPE = Scope("golden-v2.test", "answers")
CHECKS = {"checkpoint": ["loss_is_reproduced"], "predictions": ["each_item_is_asked"], "eval_report": []}
Row = dict[str, Any]


@pytest.fixture
def row(contender: Callable[..., str], rows: Callable[[], list[Row]]) -> Row:
    """The row of the one run there is."""
    contender("tiny")
    (found,) = rows()
    return found


@pytest.fixture
def evidence(store: Store, row: Row) -> dict[str, str]:
    """What a decision about it rests on."""
    return evidence_of(store, row)


def test_evidence_names_the_contents_that_lie_in_the_store(
    store: Store, row: Row, evidence: dict[str, str]
) -> None:
    run = store.run(row["run_id"])

    assert evidence["model"] == run.slot("model").resolve().digest
    assert evidence["predictions"] == run.slot("predictions/golden-v2.test").resolve().digest
    assert evidence["eval"] == run.slot("eval/golden-v2.test").resolve().digest
    assert evidence["checkpoint"] == store.slot("checkpoint", "golden-v2").resolve().digest
    assert evidence["checkpoint"] == checkpoint_digest(run)
    assert (evidence["evaluation_set"], evidence["row"]) == (row["evaluation_set_digest"], row["fingerprint"])


def test_undamaged_evidence_has_no_problem(store: Store, row: Row, evidence: dict[str, str]) -> None:
    assert damage(store, row["run_id"], evidence, scope=SCOPE) == []


@pytest.mark.parametrize(
    ("slot", "file"),
    [
        ("model", "model.safetensors"),
        ("predictions/golden-v2.test", "predictions.jsonl"),
        ("eval/golden-v2.test", "item_scores.parquet"),
    ],
)
def test_a_damaged_file_is_named(
    store: Store, row: Row, evidence: dict[str, str], slot: str, file: str
) -> None:
    (store.run(row["run_id"]).slot(slot).resolve().path / file).write_text("damaged")

    (problem,) = damage(store, row["run_id"], evidence, scope=SCOPE)

    assert f"{file} has sha256 " in problem


def test_a_content_that_is_gone_is_named(store: Store, row: Row, evidence: dict[str, str]) -> None:
    others = evidence | {"model": "0" * 64, "predictions": "1" * 64, "eval": "2" * 64}

    problems = damage(store, row["run_id"], others, scope=SCOPE)

    assert len(problems) == 3
    assert all("has no content " in problem for problem in problems)


def test_a_changed_record_of_the_run_is_named(store: Store, row: Row, evidence: dict[str, str]) -> None:
    path = store.run(row["run_id"]).path / "checkpoint.json"
    path.write_bytes(path.read_bytes().replace(b'"final_loss":1', b'"final_loss":0'))

    (problem,) = damage(store, row["run_id"], evidence, scope=SCOPE)

    assert problem.startswith(f"{path} gives the content ")


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_record_that_cannot_be_read_is_named(
    store: Store, row: Row, evidence: dict[str, str], content: str | None
) -> None:
    path = store.run(row["run_id"]).path / "checkpoint.json"
    path.unlink()
    if content is not None:
        path.write_text(content)

    (problem,) = damage(store, row["run_id"], evidence, scope=SCOPE)

    assert "checkpoint.json" in problem


def test_passed_checks_are_no_hindrance(store: Store, row: Row, evidence: dict[str, str]) -> None:
    assert failed_checks(store, row, evidence, required=CHECKS) == []


def test_every_check_that_failed_or_never_ran_is_named(
    store: Store, row: Row, evidence: dict[str, str]
) -> None:
    slot = predictions_slot(store.run(row["run_id"]), "golden-v2.test")
    digest, check = evidence["predictions"], "each_item_is_asked"
    record_audit(slot, digest, check=check, passed=False, description="one is missing")

    problems = failed_checks(
        store, row, evidence, required={**CHECKS, "checkpoint": ["loss_fell"], "eval_report": ["counts"]}
    )

    assert problems == [
        f"the check loss_fell of checkpoint has not been run for {row['run_id']}",
        "the check each_item_is_asked of predictions failed: one is missing",
        f"the check counts of eval_report has not been run for {row['run_id']}",
    ]


def test_a_row_that_names_no_predictions_has_no_checked_ones(
    store: Store, row: Row, evidence: dict[str, str]
) -> None:
    del evidence["predictions"]

    (problem,) = failed_checks(store, row, evidence, required=CHECKS)

    assert problem.startswith("the check each_item_is_asked of predictions has not been run for ")


def test_a_model_that_wrote_its_texts_again_is_reproduced(store: Store, row: Row) -> None:
    assert not_reproduced(store, row) == []
    assert read_reproduction(store.run(row["run_id"]), "golden-v2.test").num_texts == 2


def test_a_model_that_was_not_asked_again_is_not_reproduced(store: Store, row: Row) -> None:
    (reproduction_slot(store.run(row["run_id"]), "golden-v2.test").path / "pointer.json").unlink()

    assert not_reproduced(store, row) == [f"the model of {row['run_id']} has not been asked again yet"]


def test_a_reproduction_of_something_else_does_not_count(
    store: Store, row: Row, evidence: dict[str, str], reproduce: Callable[..., None]
) -> None:
    reproduce(row["run_id"], model="0" * 64, predictions="1" * 64)
    assert not_reproduced(store, row) == [
        f"the model of {row['run_id']} was asked again with other model and predictions"
    ]

    reproduce(row["run_id"], model=evidence["model"], predictions="1" * 64)
    assert not_reproduced(store, row) == [
        f"the model of {row['run_id']} was asked again with other predictions"
    ]


def test_a_model_that_writes_otherwise_is_not_reproduced(
    store: Store, row: Row, evidence: dict[str, str], reproduce: Callable[..., None]
) -> None:
    text = DifferingText(item_id="two", sample_index=0, published="4", found="5")
    reproduce(row["run_id"], model=evidence["model"], predictions=evidence["predictions"], differing=[text])

    (problem,) = not_reproduced(store, row)

    assert problem.endswith("wrote 1 of 2 texts anew, for two '5' and not '4'")


def test_a_damaged_reproduction_is_named(store: Store, row: Row) -> None:
    folder: Path = reproduction_slot(store.run(row["run_id"]), "golden-v2.test").resolve().path
    (folder / "reproduction.json").write_text("{}")

    (problem,) = not_reproduced(store, row)

    assert "reproduction.json has sha256 " in problem


def test_predictions_are_asked_again_on_their_platform(store: Store, row: Row) -> None:
    assert device_of(store, row) == "cpu"


def test_other_evidence_is_another_content(
    store: Store, row: Row, evidence: dict[str, str], tampered: Callable[..., Subject]
) -> None:
    slot = store.run(row["run_id"]).slot("model")
    tampered(slot, lambda folder: (folder / "model.safetensors").write_text("another"))

    assert (
        damage(store, row["run_id"], evidence, scope=SCOPE) == []
    )  # the one it was promoted with is still there
