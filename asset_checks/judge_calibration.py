"""Facts about the calibration of a judge."""

from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.evaluation.judges.calibration import Calibration, read_calibration
from tunix_ml.evaluation.judges.calibration_set import pairs_of
from tunix_ml.evaluation.judges.quality import gates_of, measure


def every_labelled_text_was_judged(subject: Subject) -> Outcome:
    """Each labelled text has one verdict record, and each pair one for either order, about its own text."""
    found = _read(subject)
    pairs = pairs_of(found.texts)
    expected = [(one.text_id, 0, _digest(one.text)) for one in found.texts]
    expected += [
        (pair.pair_id, order, _digest(shown_first.text))
        for pair in pairs
        for order, shown_first in enumerate(pair)
    ]
    rows = [
        (row.item_id, row.sample_index, row.text_digest)
        for row in (*found.text_verdicts, *found.pair_verdicts)
    ]
    problems = [f"{key} has no verdict record" for key in expected if key not in set(rows)]
    if not problems and rows != expected:
        problems.append(f"there are {len(rows)} verdict records for {len(expected)} questions")
    return all_hold(
        problems, subject="calibration", facts={"num_texts": len(found.texts), "num_pairs": len(pairs)}
    )


def quality_follows_from_the_verdicts(subject: Subject) -> Outcome:
    """The numbers of the calibration, its gates and whether it is passed follow from verdicts and labels."""
    found = _read(subject)
    report = found.report
    quality = measure(found.texts, found.text_verdicts, found.pair_verdicts)
    problems = [
        f"{name} is {getattr(report.quality, name)}, the verdicts give {getattr(quality, name)}"
        for name in type(quality).model_fields
        if getattr(report.quality, name) != getattr(quality, name)
    ]
    gates = gates_of(quality)
    if report.gates != gates or report.passed != all(gate.passed for gate in gates):
        problems.append(f"the gates are {report.failed_gates()}, passed is {report.passed}")
    if report.judge_digest != report.identity.digest():
        problems.append(f"judge digest {report.judge_digest} is not that of its identity")
    return all_hold(problems, subject="calibration")


def judge_may_rank(subject: Subject) -> Outcome:
    """The judge passes every gate: it agrees with the labels beyond chance, and with itself in any order."""
    report = _read(subject).report
    problems = [
        f"{gate.name}: {'not measured' if gate.value is None else f'{gate.value:.3f}'},"
        f" at {'least' if gate.at_least is not None else 'most'}"
        f" {gate.at_least if gate.at_least is not None else gate.at_most}"
        for gate in report.gates
        if not gate.passed
    ]
    facts: Facts = {str(gate.name): gate.value for gate in report.gates if gate.value is not None}
    return all_hold(problems, subject=f"judge {report.judge}", facts=facts, severity="WARN")


def _read(subject: Subject) -> Calibration:
    return read_calibration(subject.slot, digest=subject.snapshot.digest)


def _digest(text: str) -> str:
    return sha256_hex(text.encode())


CHECKS = (
    Check("judge_calibration", every_labelled_text_was_judged),
    Check("judge_calibration", quality_follows_from_the_verdicts),
    Check("judge_calibration", judge_may_rank, blocking=False),
)
