"""Calibrate a judge: ask it about labelled texts, and publish how far it can be believed."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.judge import JudgeVerdict
from tunix_ml.contracts.judge_calibration import CalibrationText, JudgeCalibration
from tunix_ml.evaluation.judges.calibration_set import Pair, pairs_of, read_calibration_set
from tunix_ml.evaluation.judges.judge import Judge, judge_cases, served_models
from tunix_ml.evaluation.judges.prompts import Case, judge_prompt
from tunix_ml.evaluation.judges.quality import gates_of, measure
from tunix_ml.evaluation.judges.verdict_table import read_verdicts, write_verdicts
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot, StoreError
from tunix_ml.store import Store

TABLE = "judge_calibration"
REPORT_FILE = "calibration.json"
TEXTS_FILE = "calibration_set.jsonl"
TEXT_VERDICTS_FILE = "text_verdicts.parquet"
PAIR_VERDICTS_FILE = "pair_verdicts.parquet"
CODE_PARTS = (
    "contracts",
    "evaluation/judges",
)


class Calibration(NamedTuple):
    """A published calibration, read back.

    Of a pair there are two verdicts: sample 0 in the order of the set, sample 1 with the order swapped.
    """

    report: JudgeCalibration
    texts: list[CalibrationText]
    text_verdicts: list[JudgeVerdict]
    pair_verdicts: list[JudgeVerdict]


def calibrate(store: Store, judge_name: str, judge: Judge, *, calibration_set: Path) -> Snapshot:
    """Ask a judge about a calibration set and publish how well it does, with every verdict.

    Raises:
        ContractError: the set breaks its contract.
        JudgeUnavailable: the judge answered nothing.
    """
    texts = read_calibration_set(calibration_set)
    pairs = pairs_of(texts)
    cases = [Case("correctness", one.question, one.answer, (one.text,)) for one in texts]
    judgements = judge_cases(judge, [*cases, *(case for pair in pairs for case in _both_orders(pair))])
    about_texts, about_pairs = judgements[: len(texts)], iter(judgements[len(texts) :])
    text_verdicts = [
        found.record(one.text_id, 0, text=one.text) for one, found in zip(texts, about_texts, strict=True)
    ]
    pair_verdicts = [
        next(about_pairs).record(pair.pair_id, order, text=shown_first.text)
        for pair in pairs
        for order, shown_first in enumerate(pair)
    ]
    quality = measure(texts, text_verdicts, pair_verdicts)
    gates = gates_of(quality)
    report = JudgeCalibration(
        judge=judge_name,
        judge_digest=judge.identity.digest(),
        identity=judge.identity,
        pairwise_prompt_digest=judge_prompt("pairwise").digest(),
        calibration_set_digest=record_digest([msgspec.to_builtins(one) for one in texts]),
        served_models=served_models(judgements),
        quality=quality,
        gates=gates,
        passed=all(gate.passed for gate in gates),
    )
    return _publish(store, Calibration(report, texts, text_verdicts, pair_verdicts))


def calibration_slot(store: Store, judge_name: str) -> Slot:
    """Return where the calibration of a judge is published."""
    return store.slot(TABLE, judge_name)


def published_calibrations(store: Store) -> dict[str, Slot]:
    """Return the slots of the judges that have been calibrated, by name."""
    return {slot.key: slot for slot in store.slots() if slot.table == TABLE and slot.pointer()}


def read_calibration(slot: Slot, *, digest: str | None = None) -> Calibration:
    """Read a published calibration, verified.

    Raises:
        NotPublished: there is none.
        ContractError: a file breaks its contract.
    """
    snapshot = slot.resolve(digest)
    return Calibration(
        report=JudgeCalibration.read(snapshot.file(REPORT_FILE)),
        texts=read_calibration_set(snapshot.file(TEXTS_FILE)),
        text_verdicts=read_verdicts(snapshot.file(TEXT_VERDICTS_FILE)),
        pair_verdicts=read_verdicts(snapshot.file(PAIR_VERDICTS_FILE)),
    )


def ranking_problem(store: Store, judge_name: str, *, judge_digest: str) -> str | None:
    """Return why the verdicts of a judge may not rank, None if they may.

    Args:
        store: where calibrations are published.
        judge_name: under which the judge was calibrated.
        judge_digest: of the identity of the judge that gave the verdicts.
    """
    try:
        snapshot = calibration_slot(store, judge_name).resolve()
        report = JudgeCalibration.read(snapshot.file(REPORT_FILE))
    except NotPublished:
        return f"judge {judge_name} was never calibrated"
    except (StoreError, ContractError) as error:
        return f"the calibration of judge {judge_name} cannot be read: {error}"
    if report.judge_digest != judge_digest:
        return f"judge {judge_name} was calibrated as {report.judge_digest[:16]}, not as {judge_digest[:16]}"
    return None if report.passed else f"judge {judge_name} failed {', '.join(report.failed_gates())}"


def _both_orders(pair: Pair) -> list[Case]:
    question, answer = pair.first.question, pair.first.answer
    shown = (pair.first.text, pair.second.text)
    return [Case("pairwise", question, answer, order) for order in (shown, shown[::-1])]


def _publish(store: Store, found: Calibration) -> Snapshot:
    slot = calibration_slot(store, found.report.judge)
    with slot.publish(code_version=source_digest(*CODE_PARTS)) as draft:
        (draft.path / REPORT_FILE).write_bytes(found.report.to_json())
        (draft.path / TEXTS_FILE).write_bytes(msgspec.json.Encoder().encode_lines(found.texts))
        write_verdicts(found.text_verdicts, draft.path / TEXT_VERDICTS_FILE)
        write_verdicts(found.pair_verdicts, draft.path / PAIR_VERDICTS_FILE)
    return draft.snapshot
