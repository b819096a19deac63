"""Facts about the quality of a dataset version, as its report and tables have it."""

from typing import Any

from asset_checks.outcome import Check, Facts, Outcome, Severity, Subject, all_hold
from tunix_ml.contracts.quality import (
    CONTAMINATION_SCHEMA,
    DUPLICATES_SCHEMA,
    FINDINGS_SCHEMA,
    QualityReport,
)
from tunix_ml.contracts.table import TableSchema
from tunix_ml.parquet import read_table

_MIN_RECALL = 0.95


def report_matches_its_tables(subject: Subject) -> Outcome:
    """The files are as published, and every count of the report is that of the rows in the tables."""
    problems = subject.snapshot.verify()
    if not problems:
        report = _report(subject)
        expected = {
            "dataset": (report.dataset_digest, subject.snapshot.record.parents.get("dataset")),
            "exact duplicates": (report.duplicates.num_exact, _count(subject, kind="exact")),
            "near duplicates": (report.duplicates.num_near, _count(subject, kind="near")),
            "contaminated items": (
                sum(one.num_exact + one.num_ngram + one.num_masked for one in report.contamination),
                len(_rows(subject, "contamination.parquet", CONTAMINATION_SCHEMA)),
            ),
            "findings": (sum(report.findings.values()), len(_found(subject))),
        }
        problems = [
            f"{name}: the report says {stated}, found {found}"
            for name, (stated, found) in expected.items()
            if stated != found
        ]
    return all_hold(problems, subject="quality", facts={"digest": subject.snapshot.digest})


def train_split_holds_no_evaluation_item(subject: Subject) -> Outcome:
    """No question of a held-out split or an evaluation set stands in the train split, in whole or by half.

    An item accepted by name in the run configuration does not count. Items that are too short to be judged
    are counted, and not taken for clean.
    """
    report = _report(subject)
    rows = _rows(subject, "contamination.parquet", CONTAMINATION_SCHEMA)
    problems = [_leak(row) for row in rows if row["kind"] != "masked" and not row["is_accepted"]]
    return all_hold(problems, subject="questions", facts=_contamination_facts(report))


def no_question_is_renumbered(subject: Subject) -> Outcome:
    """No question of a held-out split or an evaluation set stands in the train split with other numbers."""
    rows = _rows(subject, "contamination.parquet", CONTAMINATION_SCHEMA)
    problems = [_leak(row) for row in rows if row["kind"] == "masked"]
    facts = {"num_items": sum(one.num_items for one in _report(subject).contamination)}
    return all_hold(problems, subject="questions", facts=facts, severity="WARN")


def no_trace_is_repeated(subject: Subject) -> Outcome:
    """No question and answer stands in two traces, and no two traces are nearly alike."""
    found = _report(subject).duplicates
    rows = _rows(subject, "duplicates.parquet", DUPLICATES_SCHEMA)
    facts = {"num_exact": found.num_exact, "num_near": found.num_near, "num_clusters": found.num_clusters}
    return all_hold([_repeat(row) for row in rows], subject="traces", facts=facts, severity="WARN")


def duplicates_stay_in_one_split(subject: Subject) -> Outcome:
    """Traces that repeat each other, or nearly do, stand in the same split."""
    rows = _rows(subject, "duplicates.parquet", DUPLICATES_SCHEMA)
    problems = [_repeat(row) for row in rows if row["split"] != row["other_split"]]
    return all_hold(problems, subject="splits", facts={"num_pairs": len(rows)}, severity="WARN")


def planted_duplicates_are_found(subject: Subject) -> Outcome:
    """The search for near-duplicates finds at least 95 % of the altered copies that are put in to test it.

    Where every trace was compared with every other it must find them all, and no crowd may be cut short.
    """
    found = _report(subject).duplicates
    facts: Facts = {"method": found.method, "num_planted": found.num_planted, "num_cut": found.num_cut}
    if found.recall is not None:
        facts = {**facts, "recall": found.recall}
    least = 1.0 if found.method == "exact_join" and not found.num_cut else _MIN_RECALL
    problems = []
    if found.recall is not None and found.recall < least:
        problems.append(f"{found.recall:.1%} of {found.num_planted} planted copies were found")
    if found.num_cut:
        problems.append(f"{found.num_cut} crowds of like traces were not compared in full")
    severity: Severity = "ERROR" if found.recall is not None and found.recall < least else "WARN"
    return all_hold(problems, subject="search", facts=facts, severity=severity)


def traces_agree_with_themselves(subject: Subject) -> Outcome:
    """Arithmetic comes out, the last step leads to the answer, steps are numbered, differ and say something.

    Foreign data is seldom free of this, so it is a warning; what was made by a generator must be true, see
    generated_steps_recompute.
    """
    from tunix_ml.datasets.quality.consistency import CHECKS as CONSISTENCY

    facts = {"num_claims": _report(subject).num_claims}
    return _none_found(subject, CONSISTENCY, facts=facts, severity="WARN")


def no_length_stands_out(subject: Subject) -> Outcome:
    """No prompt, reasoning or number of steps is eight times as long as is usual here, or an eighth of it."""
    from tunix_ml.datasets.quality.statistics import LENGTH_OUTLIER

    return _none_found(subject, (LENGTH_OUTLIER,), severity="WARN")


def traces_hold_no_secret(subject: Subject) -> Outcome:
    """No trace holds an API key, a private key or a password."""
    from tunix_ml.datasets.quality.sensitive import SECRETS

    return _none_found(subject, SECRETS, severity="ERROR")


def traces_hold_no_personal_data(subject: Subject) -> Outcome:
    """No trace holds an e-mail address, a telephone or card number, or an IP address."""
    from tunix_ml.datasets.quality.sensitive import PERSONAL_DATA

    return _none_found(subject, PERSONAL_DATA, severity="WARN")


def make_up_has_not_drifted(subject: Subject) -> Outcome:
    """Lengths, families, kinds of answers and scripts are about those of the parent or previous version."""
    report = _report(subject)
    problems = [
        f"{one.quantity} differs from {report.compared_with} by {one.distance:.3f}, tolerated {one.limit:.3f}"
        for one in report.drift
        if one.distance > one.limit
    ]
    facts: Facts = {"compared_with": report.compared_with or "nothing", "num_compared": len(report.drift)}
    return all_hold(problems, subject="make-up", facts=facts, severity="WARN")


def _report(subject: Subject) -> QualityReport:
    return QualityReport.read(subject.snapshot.file("quality.json"))


def _rows(subject: Subject, name: str, schema: TableSchema) -> list[dict[str, Any]]:
    table = read_table(subject.snapshot.file(name))
    return table.select(schema.names).to_pylist()  # type: ignore[no-any-return]


def _count(subject: Subject, *, kind: str) -> int:
    return sum(row["kind"] == kind for row in _rows(subject, "duplicates.parquet", DUPLICATES_SCHEMA))


def _found(subject: Subject) -> set[tuple[str, str]]:
    rows = _rows(subject, "findings.parquet", FINDINGS_SCHEMA)
    return {(row["trace_id"], row["check"]) for row in rows}


def _none_found(
    subject: Subject, checks: tuple[str, ...], *, severity: Severity, facts: Facts | None = None
) -> Outcome:
    counts = _report(subject).findings
    rows = _rows(subject, "findings.parquet", FINDINGS_SCHEMA)
    problems = [
        f"{row['source']} line {row['source_line']}: {row['check']}: {row['detail']}"
        for row in rows
        if row["check"] in checks
    ]
    by_check: dict[str, int | float | str] = {f"num_{check}": counts[check] for check in checks}
    by_check.update(facts or {})
    return all_hold(problems, subject="traces", facts=by_check, severity=severity)


def _contamination_facts(report: QualityReport) -> Facts:
    facts: dict[str, int] = {"num_sets": len(report.contamination)}
    for one in report.contamination:
        facts[f"{one.evaluation_set}/num_items"] = one.num_items
        facts[f"{one.evaluation_set}/num_uncheckable"] = one.num_uncheckable
        facts[f"{one.evaluation_set}/num_accepted"] = one.num_accepted
    return facts


_HELD = {
    "exact": "in the same words",
    "ngram": "{:.0%} of it in runs of 13 words",
    "masked": "with other numbers",
}


def _leak(row: dict[str, Any]) -> str:
    held = _HELD[row["kind"]].format(row["coverage"])
    return (
        f"item {row['item_id']} of {row['evaluation_set']} is held by {row['source']}"
        f" line {row['source_line']} ({held})"
    )


def _repeat(row: dict[str, Any]) -> str:
    return (
        f"{row['source']} line {row['source_line']} repeats {row['other_source']}"
        f" line {row['other_source_line']} ({row['kind']}, {row['similarity']:.2f})"
    )


CHECKS = (
    Check("dataset_quality", report_matches_its_tables),
    Check("dataset_quality", train_split_holds_no_evaluation_item),
    Check("dataset_quality", no_question_is_renumbered, blocking=False),
    Check("dataset_quality", no_trace_is_repeated, blocking=False),
    Check("dataset_quality", duplicates_stay_in_one_split, blocking=False),
    Check("dataset_quality", planted_duplicates_are_found, blocking=False),
    Check("dataset_quality", traces_agree_with_themselves, blocking=False),
    Check("dataset_quality", no_length_stands_out, blocking=False),
    Check("dataset_quality", traces_hold_no_secret, blocking=False),
    Check("dataset_quality", traces_hold_no_personal_data, blocking=False),
    Check("dataset_quality", make_up_has_not_drifted, blocking=False),
)
