"""Whether a row can be believed now: what its report rests on, held against what the store has."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tunix_ml.audits import audits
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.leaderboard import RowStatus
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.datasets.evaluation_set import source_slot
from tunix_ml.evaluation.judges.calibration import ranking_problem
from tunix_ml.evaluation.judges.predictions import judgements_name, judgements_slot
from tunix_ml.evaluation.report import ANSWERS, predictions_slot
from tunix_ml.evaluation.score import scorer_digests
from tunix_ml.evaluation.systems import IDENTITY_FILE, answers_slot, superseded
from tunix_ml.exports.templates import digest_of
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

VALID: RowStatus = "valid"
COMPLETENESS_CHECK = "every_item_is_scored"  # a report that says itself that items lack a score is no lie


class Validity(NamedTuple):
    """The status of a row, and why it is not valid."""

    status: RowStatus
    reason: str


def validity(
    store: Store, run: RunDirectory, slot: Slot, report: EvalReport, *, required_checks: Sequence[str]
) -> Validity:
    """Return whether a published report can be ranked: sound, complete, and made from what is current."""
    checks = [name for name in required_checks if report.coverage == 1 or name != COMPLETENESS_CHECK]
    problems = slot.resolve().verify() + _failed_checks(slot, checks)
    if report.scorer != ANSWERS:
        name, digest = report.scorer.removeprefix("judge:"), report.inputs.get("judge", "unknown")
        problems += filter(None, [ranking_problem(store, name, judge_digest=digest)])
    if problems:
        return Validity("invalid", "; ".join(problems))
    if report.coverage < 1:
        return Validity("incomplete", f"{report.n_scored} of {report.n_items} items have a score")
    changed = list(_changes(_Rests(store, run, report)))
    return Validity("stale", f"changed since: {', '.join(changed)}") if changed else Validity(VALID, "")


def _failed_checks(slot: Slot, required_checks: Sequence[str]) -> list[str]:
    """Return what is wrong with the audits; a check that is not required may warn, and decides nothing."""
    found = audits(slot, slot.resolve().digest)
    failed = [f"check {name} failed" for name in required_checks if name in found and not found[name].passed]
    return failed + [f"check {name} was never run" for name in required_checks if name not in found]


class _Rests(NamedTuple):
    """A report, and where what it rests on is now."""

    store: Store
    run: RunDirectory
    report: EvalReport


def _changes(rests: _Rests) -> Iterator[str]:
    """Yield the name of each input that is another one now, or is gone."""
    report = rests.report
    for name, digest in sorted(report.inputs.items()):
        if name in _CURRENT and _CURRENT[name](rests) != digest:
            yield name.replace("_", " ")
    if (rests.run.path / IDENTITY_FILE).exists() and (changed := superseded(rests.store, rests.run)):
        yield changed
    now = scorer_digests() if report.scorer == ANSWERS else {}
    for metric, digest in sorted(report.scorers.items()):
        if now.get(metric) != digest:
            yield f"scorer of {metric}"


def _dataset(rests: _Rests) -> str | None:
    version = rests.report.dataset_version
    return _current(rests.store.slot("dataset", version)) if version else None


def _evaluation_set(rests: _Rests) -> str | None:
    return _current(source_slot(rests.store, rests.report.evaluation_set))


def _model(rests: _Rests) -> str | None:
    return CheckpointRecord.read(rests.run.path / "checkpoint.json").model_digest


def _predictions(rests: _Rests) -> str | None:
    return _current(predictions_slot(rests.run, rests.report.evaluation_set))


def _answers(rests: _Rests) -> str | None:
    return _current(answers_slot(rests.run, rests.report.evaluation_set))


def _judgements(rests: _Rests) -> str | None:
    name = judgements_name(rests.report.evaluation_set, rests.report.scorer.removeprefix("judge:"))
    return _current(judgements_slot(rests.run, name))


def _template(rests: _Rests) -> str | None:
    return digest_of(rests.report.answer_rule)


def _current(slot: Slot) -> str | None:
    pointer = slot.pointer()
    return pointer.content_digest if pointer else None


# The judge is not among them: its calibration says whether it is still the same.
_CURRENT: dict[str, Callable[[_Rests], str | None]] = {
    "answers": _answers,
    "dataset": _dataset,
    "evaluation_set": _evaluation_set,
    "judgements": _judgements,
    "model": _model,
    "predictions": _predictions,
    "template": _template,
}
