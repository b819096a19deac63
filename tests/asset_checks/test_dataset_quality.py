"""Each check against planted defects: found and counted, with the severity that fits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks import dataset_quality
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.quality import QualityConfig
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry, load_recipe
from tunix_ml.datasets.evaluation_publish import publish_catalog
from tunix_ml.datasets.quality.publish import publish_quality, quality_slot
from tunix_ml.store import Store

Judge = Callable[..., Subject]
Edit = Callable[..., Callable[[Path], None]]
SETS = {
    "whole": "A farmer has 3 cows, 4 sheep and 5 goats on the meadow behind his house. How many are there?",
    "other": "The 3 dwarfs have 4 beds and 5 lamps for 6 nights of sleep, how many each?",
    "short": "What is 3 + 4?",
}


def silent(line: str) -> None:
    pass


def record(prompt: str, *steps: str, answer: str = "4") -> dict[str, Any]:
    numbered = [{"i": i, "type": "r", "content": text} for i, text in enumerate(steps or ("It is 4.",))]
    return {"trace_version": "1.0", "prompt": prompt, "final_answer": answer, "steps": numbered}


def clean(count: int = 60) -> list[dict[str, Any]]:
    return [
        record(f"Case {n}: what is {n} and 1?", f"{n} + 1 = {n + 1}.", answer=str(n + 1))
        for n in range(count)
    ]


@pytest.fixture
def judged(store: Store, write_entry: Callable[..., CatalogEntry]) -> Judge:
    """A function that builds mine-v1 of some records and judges it, also against a set of three items."""
    folder = store.home / "recipes" / "evaluation"
    folder.mkdir(parents=True)
    items = (
        f'{{"item_id": "{name}", "prompt": "{text}", "final_answer": "1"}}\n' for name, text in SETS.items()
    )
    (folder / "asked-v1.jsonl").write_text("".join(items), encoding="utf-8")
    (folder / "asked-v1.yaml").write_text("{description: Asked., license: CC0-1.0, path: asked-v1.jsonl}")
    publish_catalog(store, report=silent)

    def judge(*records: dict[str, Any], accepted: tuple[str, ...] = ()) -> Subject:
        entry = write_entry([*clean(), *records], splits={"train": 1.0})
        build_dataset(store, entry, report=silent)
        snapshot = publish_quality(store, "mine-v1", config=QualityConfig(accepted_items=list(accepted)))
        return Subject(store, "mine-v1", quality_slot(store, "mine-v1"), snapshot)

    return judge


@pytest.mark.parametrize("version", ["golden-v2", "dev-reasoning-v1"])
def test_what_is_shipped_passes_every_check(store: Store, version: str) -> None:
    publish_catalog(store, report=silent)
    build_dataset(store, load_recipe(version, store.home), report=silent)
    subject = Subject(store, version, quality_slot(store, version), publish_quality(store, version))

    for check in dataset_quality.CHECKS:
        outcome = check.function(subject)

        assert outcome.passed, f"{check.name}: {outcome.description}"


PLANTED: dict[str, tuple[tuple[dict[str, Any], ...], str, str]] = {
    "train_split_holds_no_evaluation_item": (
        (record(SETS["whole"].upper()),),
        "ERROR",
        "item whole of asked-v1 is held by mine-v1.jsonl line 61 (in the same words)",
    ),
    "no_question_is_renumbered": (
        (record(SETS["other"].replace("6", "60").replace("3", "7")),),
        "WARN",
        "item other of asked-v1 is held by mine-v1.jsonl line 61 (with other numbers)",
    ),
    "no_trace_is_repeated": (
        (record("Why is that so?"), record("why is THAT so?")),
        "WARN",
        "mine-v1.jsonl line 62 repeats mine-v1.jsonl line 61 (exact, 1.00)",
    ),
    "traces_agree_with_themselves": (
        (record("Why?", "2 + 2 = 5.", "It is 4."), record("Who?", "It is 5.")),
        "WARN",
        "line 61: arithmetic: steps[0] claims 2 + 2 = 5, which comes to 4",
    ),
    "no_length_stands_out": (
        (record("Why? " * 400),),
        "WARN",
        "line 61: length_outlier: prompt_chars is 2000",
    ),
    "traces_hold_no_secret": (
        (record("Which?", "AKIA" + "Q3EGZXAMPLE4WXYZ", "It is 4."),),
        "ERROR",
        "line 61: api_key: steps[0], characters 0 to 20",
    ),
    "traces_hold_no_personal_data": (
        (record("Who is ann@example.com?"), record("Whose is 4111 1111 1111 1111?")),
        "WARN",
        "line 61: email: prompt, characters 7 to 22; mine-v1.jsonl line 62: card_number",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_fails_its_check_and_no_other(judged: Judge, name: str) -> None:
    records, severity, told = PLANTED[name]

    subject = judged(*records)

    failed = {
        check.name: outcome
        for check in dataset_quality.CHECKS
        if not (outcome := check.function(subject)).passed
    }
    assert set(failed) == {name}
    assert failed[name].severity == severity
    assert told in failed[name].description
    assert failed[name].facts["num_problems"] == max(1, len(records) - (name == "no_trace_is_repeated"))


def test_clean_traces_pass_and_what_cannot_be_judged_is_counted(judged: Judge) -> None:
    subject = judged()

    assert all(check.function(subject).passed for check in dataset_quality.CHECKS)
    facts = dataset_quality.train_split_holds_no_evaluation_item(subject).facts
    assert (facts["asked-v1/num_items"], facts["asked-v1/num_uncheckable"]) == (3, 1)
    assert facts["num_problems"] == 0


def test_an_accepted_item_passes(judged: Judge) -> None:
    outcome = dataset_quality.train_split_holds_no_evaluation_item(
        judged(record(SETS["whole"]), accepted=("asked-v1/whole",))
    )

    assert outcome.passed
    assert outcome.facts["asked-v1/num_accepted"] == 1


def test_an_alike_pair_in_two_splits_is_told(
    judged: Judge, tampered: Callable[..., Subject], edit_table: Edit
) -> None:
    subject = judged(record("Why is that so?"), record("why is THAT so?"))

    def part(rows: list[dict[str, Any]]) -> None:
        rows[0]["other_split"] = "test"

    outcome = dataset_quality.duplicates_stay_in_one_split(
        tampered(subject.slot, edit_table("duplicates.parquet", part))
    )

    assert (outcome.passed, outcome.severity) == (False, "WARN")


@pytest.mark.parametrize(
    ("changes", "severity", "told"),
    [
        ({"recall": 0.99}, "ERROR", "99.0% of"),
        ({"recall": 0.94, "method": "minhash"}, "ERROR", "94.0% of"),
        ({"num_cut": 2}, "WARN", "2 crowds"),
    ],
)
def test_a_search_that_misses_planted_copies_is_told(
    judged: Judge,
    tampered: Callable[..., Subject],
    edit_json: Edit,
    changes: dict[str, Any],
    severity: str,
    told: str,
) -> None:
    subject = judged()
    found = dataset_quality._report(subject).duplicates.model_dump()

    outcome = dataset_quality.planted_duplicates_are_found(
        tampered(subject.slot, edit_json("quality.json", duplicates=found | changes))
    )

    assert (outcome.passed, outcome.severity) == (False, severity)
    assert told in outcome.description


def test_the_recall_is_a_fact(judged: Judge) -> None:
    facts = dataset_quality.planted_duplicates_are_found(
        judged(record(" ".join(f"word{chr(97 + n)}" for n in range(26)) * 2))
    ).facts

    assert (facts["recall"], facts["method"]) == (1.0, "exact_join")
    assert int(facts["num_planted"]) > 0


def test_a_changed_make_up_is_told(
    store: Store, judged: Judge, write_entry: Callable[..., CatalogEntry]
) -> None:
    judged()
    words = [record(f"Case {n}: what is it?", "It is blue.", answer="blue") for n in range(60)]
    build_dataset(store, write_entry(words, version="mine-v2"), report=silent)
    subject = Subject(store, "mine-v2", quality_slot(store, "mine-v2"), publish_quality(store, "mine-v2"))

    outcome = dataset_quality.make_up_has_not_drifted(subject)

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert "answer_types differs from mine-v1 by 1.000" in outcome.description


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("duplicates.parquet", "exact duplicates"),
        ("contamination.parquet", "contaminated items"),
        ("findings.parquet", "findings"),
    ],
)
def test_a_lost_row_is_found(
    judged: Judge, tampered: Callable[..., Subject], edit_table: Edit, file: str, told: str
) -> None:
    subject = judged(record(SETS["whole"]), record(SETS["whole"].upper(), "a@example.com", "It is 4."))

    outcome = dataset_quality.report_matches_its_tables(
        tampered(subject.slot, edit_table(file, lambda rows: rows.pop()))
    )

    assert not outcome.passed
    assert f"{told}: the report says" in outcome.description


def test_a_damaged_file_is_found(judged: Judge) -> None:
    subject = judged()
    (subject.snapshot.path / "README.md").write_text("damaged")

    assert "README.md" in dataset_quality.report_matches_its_tables(subject).description


@pytest.mark.parametrize("check", dataset_quality.CHECKS, ids=lambda check: check.name)
def test_every_check_is_about_the_quality_and_has_a_planted_defect(check: Check) -> None:
    beside = {
        "report_matches_its_tables",
        "duplicates_stay_in_one_split",
        "planted_duplicates_are_found",
        "make_up_has_not_drifted",
    }

    assert check.asset == "dataset_quality"
    assert check.name in {*PLANTED, *beside}
