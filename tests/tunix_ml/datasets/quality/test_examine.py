"""Every kind of defect is planted once, found and counted; clean data has none."""

from typing import Any

import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.quality import QualityConfig
from tunix_ml.contracts.trace import DatasetTrace, Split, Trace, TraceStep
from tunix_ml.datasets.evaluation_set import EvaluationSet
from tunix_ml.datasets.quality.examine import FINDING_CHECKS, Quality, Subject, examine

THINGS = ["apples", "pears", "plums", "nuts", "figs", "eggs", "rolls", "pens", "books", "cups"]
LEAKED = (
    "A farmer has {} cows, {} sheep and {} goats on the meadow behind his house. How many animals is that?"
)
QUOTED = (
    "Before the storm came over the hills the old captain counted every sack of flour in the hold of his ship"
    " twice and wrote the sum of 12 and 30 into his book. Which number did he write?"
)


def row(
    prompt: str, *steps: str, answer: str, split: Split = "train", line: int = 1, **more: Any
) -> DatasetTrace:
    numbered = tuple(TraceStep(i, "reasoning", text) for i, text in enumerate(steps))
    trace = Trace("1.0", prompt, answer, numbered, more.get("meta"))
    return DatasetTrace(trace.trace_id(), split, trace, "planted.jsonl", line)


def clean() -> list[DatasetTrace]:
    splits: list[Split] = ["train"] * 8 + ["validation", "test"]
    return [
        row(
            f"Case {case} of {thing}: what are {case} plus {index} of them?",
            f"Adding up, {case} + {index} = {case + index}.",
            answer=str(case + index),
            split=splits[index],
            line=case,
        )
        for case in range(2, 8)
        for index, thing in enumerate(THINGS)
    ]


def quality(rows: list[DatasetTrace], *items: EvaluationItem, accepted: tuple[str, ...] = ()) -> Quality:
    sets = (EvaluationSet("asked-v1", "0" * 64, items),) if items else ()
    config = QualityConfig(accepted_items=list(accepted))
    return examine(Subject("mine-v1", "f" * 64, rows, sets, config=config))


def test_clean_traces_have_nothing() -> None:
    found = quality(clean(), EvaluationItem("one", LEAKED.format(3, 4, 5), "12"))

    assert (found.duplicates, found.contamination, found.findings) == ([], [], [])
    assert set(found.report.findings.values()) == {0}
    assert found.report.num_claims == found.report.num_traces == 60


DEFECTS = {
    "arithmetic": ("So 2 + 2 = 5 at first.", "It is 4."),
    "answer_support": ("It is 5 or so.",),
    "empty_step": ("---", "It is 4."),
    "repeated_step": ("We think.", "we think.", "It is 4."),
    "length_outlier": ("Long. " * 500, "It is 4."),
    "api_key": ("With " + "AKIA" + "Q3EGZXAMPLE4WXYZ it works.", "It is 4."),
    "private_key": ("-----BEGIN " + "PRIVATE KEY-----", "It is 4."),
    "password": ("My password: hunter2!", "It is 4."),
    "email": ("Ask ann@example.com.", "It is 4."),
    "telephone": ("Call 212-555-0147 now.", "It is 4."),
    "card_number": ("Pay with 4111 1111 1111 1111.", "It is 4."),
    "ip_address": ("Ask 192.168.1.10 first.", "It is 4."),
}


@pytest.mark.parametrize("check", DEFECTS)
def test_a_planted_defect_is_found_where_it_is_and_nothing_else(check: str) -> None:
    bad = row("What is planted here, of all things?", *DEFECTS[check], answer="4", line=77)

    found = quality([*clean(), bad])

    assert {finding.check for finding in found.findings} == {check}
    assert {(one.trace_id, one.source, one.source_line) for one in found.findings} == {
        (bad.trace_id, "planted.jsonl", 77)
    }
    assert {name: count for name, count in found.report.findings.items() if count} == {check: 1}


def test_steps_out_of_order_are_found() -> None:
    good = row("What is planted?", "It is 4.", answer="4")
    steps = (TraceStep(3, "r", "It is 4."),)
    bad = DatasetTrace(good.trace_id, "train", Trace("1.0", "What is it?", "4", steps), "planted.jsonl", 5)

    assert [finding.check for finding in quality([*clean(), bad]).findings] == ["step_indices"]


def test_every_check_has_a_planted_defect() -> None:
    assert {*DEFECTS, "step_indices"} == set(FINDING_CHECKS)


def test_no_finding_repeats_a_secret() -> None:
    secret = "AKIA" + "Q3EGZXAMPLE4WXYZ"

    (finding,) = quality([row("Which key?", f"It is {secret} 4.", answer="4")]).findings

    assert secret not in finding.detail
    assert finding.detail == "steps[0], characters 6 to 26"


def test_duplicates_with_other_case_are_exact_and_altered_ones_near() -> None:
    first = row(LEAKED.format(1, 2, 3), "It is 6.", answer="6", line=1)
    shouted = row(LEAKED.format(1, 2, 3).upper(), "1 + 2 + 3 = 6.", answer="6", line=2, split="test")
    altered = row(LEAKED.format(1, 2, 3).replace("A farmer", "One farmer"), "It is 6.", answer="6", line=3)

    found = quality([*clean(), first, shouted, altered])

    assert [(one["kind"], one["source_line"], one["other_source_line"]) for one in found.duplicates] == [
        ("exact", 2, 1),
        ("near", 3, 1),
    ]
    summary = found.report.duplicates
    assert (summary.num_exact, summary.num_near, summary.num_clusters) == (1, 1, 1)
    assert summary.num_across_splits == 1
    assert summary.recall == 1.0


def leaky() -> list[DatasetTrace]:
    return [
        *clean(),
        row(f" {LEAKED.format(3, 4, 5).upper()}", "It is 12.", answer="12", line=101),
        row(f"Well. {QUOTED[:150]} Or not?", "It is 42.", answer="42", line=102),
        row(
            "The 7 dwarfs have 8 beds and 9 lamps for 2 nights of sleep, how many each?",
            "4",
            answer="4",
            line=103,
        ),
    ]


ITEMS = (
    EvaluationItem("whole", LEAKED.format(3, 4, 5), "12"),
    EvaluationItem("half", QUOTED, "42"),
    EvaluationItem(
        "other", "The 3 dwarfs have 4 beds and 5 lamps for 6 nights of sleep, how many each?", "4"
    ),
    EvaluationItem("short", "What is 3 + 4?", "7"),
)


def test_leaked_items_are_found_by_the_strongest_reason() -> None:
    found = quality(leaky(), *ITEMS)

    kinds = {one["item_id"]: (one["kind"], one["source_line"]) for one in found.contamination}
    assert kinds == {"whole": ("exact", 101), "half": ("ngram", 102), "other": ("masked", 103)}
    summary = found.report.contamination[-1]
    assert (summary.num_items, summary.num_exact, summary.num_ngram, summary.num_masked) == (4, 1, 1, 1)
    assert summary.num_uncheckable == 1


def test_an_accepted_item_is_still_told_and_counted_apart() -> None:
    found = quality(leaky(), *ITEMS, accepted=("asked-v1/half", "asked-v1/other", "asked-v2/whole"))

    accepted = {one["item_id"]: one["is_accepted"] for one in found.contamination}
    assert accepted == {"whole": False, "half": True, "other": False}
    assert found.report.contamination[-1].num_accepted == 1


def test_a_held_out_question_in_the_train_split_is_found() -> None:
    known = row(LEAKED.format(3, 4, 5), "It is 12.", answer="12", split="test")
    leak = row(LEAKED.format(3, 4, 5) + "!", "So 12.", answer="12")

    (found,) = quality([*clean(), known, leak]).contamination

    assert (found["evaluation_set"], found["item_id"]) == ("mine-v1.test", known.trace_id)


def test_rows_of_one_generator_may_share_their_wording_across_splits() -> None:
    meta = {"generator": "farms@1"}
    rows = [
        row(LEAKED.format(3, 4, 5), "It is 12.", answer="12", split="test", meta=meta),
        row(LEAKED.format(6, 4, 5), "It is 15.", answer="15", meta=meta),
    ]

    assert quality([*clean(), *rows]).contamination == []


def test_nothing_can_be_examined() -> None:
    found = quality([])

    assert found.report.num_traces == 0
    assert found.report.duplicates.recall is None
    assert found.report.contamination == ()
