"""One dataset version with every kind of defect at a known line, and one made alike without any."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from asset_checks import dataset_quality
from asset_checks.outcome import Outcome, Subject
from tunix_ml.contracts.quality import CONTAMINATION_SCHEMA, DUPLICATES_SCHEMA, FINDINGS_SCHEMA
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.contracts.table import TableSchema
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.evaluation_publish import publish_catalog
from tunix_ml.datasets.quality.examine import FINDING_CHECKS
from tunix_ml.datasets.quality.publish import publish_quality, quality_slot, read_quality
from tunix_ml.parquet import read_table
from tunix_ml.store import Store

Record = dict[str, Any]
_BETWEEN = 4  # clean records before each planted one
ITEMS = {
    "whole": "A farmer has 3 cows, 4 sheep and 5 goats on the meadow behind his house. How many are there?",
    "half": "Before the storm came over the hills the old captain counted every sack of flour in the hold of"
    " his ship twice and wrote the sum of 12 and 30 into his book. Which number did he write?",
    "other": "The 3 dwarfs have 4 beds and 5 lamps for 6 nights of sleep, how many each?",
    "unknown": "On the far side of the river a ferryman rows 9 people at a time, and 4 times a day he rests"
    " under the willow and eats 2 apples. How many apples does he eat in a day?",
}


class Planted(NamedTuple):
    """A record with a defect, and one that looks like it and has none."""

    bad: Record
    good: Record


def record(prompt: str, *steps: str, answer: str = "4", first: int = 0) -> Record:
    numbered = [{"i": i, "type": "r", "content": text} for i, text in enumerate(steps, start=first)]
    return {"trace_version": "1.0", "prompt": prompt, "final_answer": answer, "steps": numbered}


def in_steps(number: int, bad: tuple[str, ...], good: tuple[str, ...]) -> Planted:
    prompt = f"Somebody thinks of a number for riddle {number}; which one may it be?"
    return Planted(record(prompt, *bad), record(prompt, *good))


ORIGINAL = (
    "A baker sells 7 rolls in the morning and 9 in the afternoon to the people of the old corner house;"
    " how many rolls does he sell in the whole day?"
)
SUM = ("He sells 7 + 9 = 16 rolls.",)
PLANTED = {
    "exact": Planted(
        record(ORIGINAL.upper(), "16 in all.", answer="16"),
        record("HOW MANY ROLLS DOES A BAKER SELL ON A SUNDAY IF HE BAKES NONE?", "0 in all.", answer="0"),
    ),
    "near": Planted(
        record(ORIGINAL.replace("A baker", "One baker"), *SUM, answer="16"),
        record("One baker sells a roll and then 15 others; how many is that?", "1 + 15 = 16.", answer="16"),
    ),
    "exact/whole": Planted(
        record(ITEMS["whole"].upper(), "3 + 4 + 5 = 12.", answer="12"),
        record("How many animals has a farmer with 12 cows and no other?", "He has 12.", answer="12"),
    ),
    "ngram/half": Planted(
        record(f"Well. {ITEMS['half'][:140]} Or not?", "It is 42.", answer="42"),
        record("The old captain counted every sack of flour: 12 and 30 were they.", "It is 42.", answer="42"),
    ),
    "masked/other": Planted(
        record("The 7 dwarfs have 8 beds and 9 lamps for 2 nights of sleep, how many each?", "It is 4."),
        record("The 7 dwarfs have 8 beds; how many of these stay empty at night, then?", "It is 4."),
    ),
    "arithmetic": in_steps(1, ("First 2 + 2 = 5.", "It is 4."), ("First 2 + 2 = 4.", "It is 4.")),
    "answer_support": in_steps(2, ("It may be 4.", "It is 5."), ("It may be 5.", "It is 4.")),
    "step_indices": Planted(
        record("Which number comes after the third one of them all?", "It is 4.", first=3),
        record("Which number comes after the third one of them all?", "It is 4.", first=1),
    ),
    "empty_step": in_steps(3, ("We look.", "---", "It is 4."), ("We look.", "--- so", "It is 4.")),
    "repeated_step": in_steps(4, ("We see.", "we  SEE.", "It is 4."), ("We see.", "We saw.", "It is 4.")),
    "length_outlier": in_steps(5, ("Long. " * 200, "It is 4."), ("Long. " * 3, "It is 4.")),
    "api_key": in_steps(
        6, ("Log in: " + "AKIA" + "Q3EGZXAMPLE4WXYZ", "It is 4."), ("Log in: AKIA", "It is 4.")
    ),
    "private_key": in_steps(
        7, ("-----BEGIN " + "PRIVATE KEY-----", "It is 4."), ("----- BEGIN HERE -----", "It is 4.")
    ),
    "password": in_steps(
        8, ("My pass" + "word: hunter2!", "It is 4."), ("My password is not told.", "It is 4.")
    ),
    "email": in_steps(9, ("Ask ann@example.com.", "It is 4."), ("Ask ann @ noon.", "It is 4.")),
    "telephone": in_steps(10, ("Call 212-555-0147 now.", "It is 4."), ("Call 212 times now.", "It is 4.")),
    "card_number": in_steps(
        11, ("Pay with 4111 1111 1111 1111.", "It is 4."), ("Pay with 4111 1111 1111 1112.", "It is 4.")
    ),
    "ip_address": in_steps(12, ("Go to 192.168.1.10 first.", "It is 4."), ("Go to 192.168.1 first.", "4")),
}
LINES = {name: 1 + (_BETWEEN + 1) * place for place, name in enumerate(PLANTED, start=1)}


def records(*, are_bad: bool) -> list[Record]:
    """The record that others repeat on line 1, then each planted one after some clean ones."""
    found = [record(ORIGINAL, *SUM, answer="16")]
    for planted in PLANTED.values():
        for _ in range(_BETWEEN):
            n = len(found)
            prompt = f"In case {n} a child has {n} marbles and is given one more; how many then?"
            found.append(record(prompt, f"It has {n} + 1 = {n + 1}.", answer=str(n + 1)))
        found.append(planted.bad if are_bad else planted.good)
    return found


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The quality of the version with every defect."""
    return judged(tmp_path_factory.mktemp("planted"), records(are_bad=True))


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The quality of the version that is made alike."""
    return judged(tmp_path_factory.mktemp("alike"), records(are_bad=False))


def judged(home: Path, rows: list[Record]) -> Subject:
    """Build mine-v1 of some records and judge it, also against a set of four items."""
    folder = home / "recipes" / "evaluation"
    folder.mkdir(parents=True)
    items = [{"item_id": name, "prompt": text, "final_answer": "1"} for name, text in ITEMS.items()]
    write_lines(folder / "asked-v1.jsonl", items)
    (folder / "asked-v1.yaml").write_text("{description: Asked., license: CC0-1.0, path: asked-v1.jsonl}")
    write_lines(home / "mine-v1.jsonl", rows)
    recipe = DatasetRecipe.model_validate(
        {
            "description": "Questions.",
            "license": "Apache-2.0",
            "source": {"kind": "jsonl", "path": "mine-v1.jsonl"},
            "splits": {"train": 1.0},
        }
    )
    store = Store(home)
    publish_catalog(store, report=lambda line: None)
    build_dataset(store, CatalogEntry("mine-v1", recipe, home / "mine-v1.yaml"), report=lambda line: None)
    return Subject(store, "mine-v1", quality_slot(store, "mine-v1"), publish_quality(store, "mine-v1"))


def write_lines(path: Path, rows: list[Record]) -> None:
    path.write_bytes(msgspec.json.Encoder().encode_lines(rows))


def test_every_planted_defect_is_found_once_and_at_its_line(planted: Subject) -> None:
    told = [
        *((row["kind"], row["source_line"]) for row in rows(planted, "duplicates", DUPLICATES_SCHEMA)),
        *(
            (f"{row['kind']}/{row['item_id']}", row["source_line"])
            for row in rows(planted, "contamination", CONTAMINATION_SCHEMA)
        ),
        *((row["check"], row["source_line"]) for row in rows(planted, "findings", FINDINGS_SCHEMA)),
    ]
    assert sorted(told) == sorted(LINES.items())
    assert {row["source"] for row in rows(planted, "findings", FINDINGS_SCHEMA)} == {"mine-v1.jsonl"}
    assert {row["other_source_line"] for row in rows(planted, "duplicates", DUPLICATES_SCHEMA)} == {1}


def test_every_planted_defect_is_counted_once(planted: Subject) -> None:
    report = read_quality(planted.snapshot)

    assert report.num_traces == 1 + len(PLANTED) * (_BETWEEN + 1)
    assert report.findings == dict.fromkeys(FINDING_CHECKS, 1)
    repeated = report.duplicates
    assert (repeated.num_exact, repeated.num_near, repeated.num_clusters) == (1, 1, 1)
    leaks, *shipped = sorted(report.contamination, key=lambda one: one.evaluation_set != "asked-v1")
    assert leaks.evaluation_set == "asked-v1"
    assert sum(one.num_exact + one.num_ngram + one.num_masked for one in shipped) == 0
    assert (leaks.num_items, leaks.num_uncheckable) == (4, 0)
    assert (leaks.num_exact, leaks.num_ngram, leaks.num_masked, leaks.num_accepted) == (1, 1, 1, 0)


def test_each_check_fails_for_what_it_is_about(planted: Subject) -> None:
    failed = {name: outcome for name, outcome in outcomes(planted).items() if not outcome.passed}

    assert {name: (outcome.severity, outcome.facts["num_problems"]) for name, outcome in failed.items()} == {
        "train_split_holds_no_evaluation_item": ("ERROR", 2),
        "no_question_is_renumbered": ("WARN", 1),
        "no_trace_is_repeated": ("WARN", 2),
        "traces_agree_with_themselves": ("WARN", 5),
        "no_length_stands_out": ("WARN", 1),
        "traces_hold_no_secret": ("ERROR", 3),
        "traces_hold_no_personal_data": ("WARN", 4),
    }
    assert f"mine-v1.jsonl line {LINES['api_key']}: api_key: steps[0]" in (
        failed["traces_hold_no_secret"].description
    )
    leaked = failed["train_split_holds_no_evaluation_item"].description
    assert (
        f"half of asked-v1 is held by mine-v1.jsonl line {LINES['ngram/half']} (76% of it in runs" in leaked
    )


def test_traces_that_look_like_the_planted_ones_have_no_finding(alike: Subject) -> None:
    report = read_quality(alike.snapshot)
    assert all(outcome.passed for outcome in outcomes(alike).values())
    assert report.findings == dict.fromkeys(FINDING_CHECKS, 0)
    assert (report.duplicates.num_exact, report.duplicates.num_near) == (0, 0)
    assert {
        name: len(rows(alike, name, schema))
        for name, schema in (
            ("duplicates", DUPLICATES_SCHEMA),
            ("contamination", CONTAMINATION_SCHEMA),
            ("findings", FINDINGS_SCHEMA),
        )
    } == {"duplicates": 0, "contamination": 0, "findings": 0}


def test_every_kind_of_finding_is_planted() -> None:
    kinds = Counter(name.partition("/")[0] for name in PLANTED)

    assert set(kinds) == {*FINDING_CHECKS, "exact", "near", "ngram", "masked"}


def rows(subject: Subject, name: str, schema: TableSchema) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_table(subject.snapshot.file(f"{name}.parquet")).to_pylist()
    assert all(row.keys() == set(schema.names) for row in found)
    return found


def outcomes(subject: Subject) -> dict[str, Outcome]:
    return {check.name: check.function(subject) for check in dataset_quality.CHECKS}
