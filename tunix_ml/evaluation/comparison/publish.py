"""Publish the comparison of two runs of the store."""

from collections.abc import Sequence

from tunix_ml.audits import require_audits
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.comparison import CompareConfig, RunComparison
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.evaluation.comparison.compare import Side, compare_runs
from tunix_ml.evaluation.comparison.settings import run_settings
from tunix_ml.evaluation.comparison.summary import render_comparison
from tunix_ml.evaluation.report import eval_slot, read_scores
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

ASSET, KEY = "run_comparison", "all"
COMPARISON_FILE, SUMMARY_FILE = "comparison.json", "README.md"


def publish_comparison(store: Store, config: CompareConfig, *, required_checks: Sequence[str]) -> Snapshot:
    """Compare two runs by their current reports, and publish what is found.

    Raises:
        ContractError: the two are one, or what both were asked has to be said.
        NotPublished: a run has no such report.
        NotAudited: a report has not passed a required check.
        NotPaired: the two were not asked the same items, or not scored alike.
    """
    comparison = compare_published(store, config, required_checks=required_checks)
    digests = (comparison.run_a.eval_digest, comparison.run_b.eval_digest)
    slots = _slots(store, config)
    parents = {f"{slot.key}/{slot.table}": digest for slot, digest in zip(slots, digests, strict=True)}
    slot = store.slot(ASSET, KEY)
    with slot.publish(
        content_digest=comparison.digest(), parents=parents, code_version=source_digest("evaluation")
    ) as draft:
        (draft.path / COMPARISON_FILE).write_bytes(comparison.to_json())
        (draft.path / SUMMARY_FILE).write_text(render_comparison(comparison), encoding="utf-8")
    return draft.snapshot


def compare_published(
    store: Store, config: CompareConfig, *, required_checks: Sequence[str]
) -> RunComparison:
    """Compare two runs by their current reports.

    Raises:
        as `publish_comparison`.
    """
    return compare_runs(*(_side(store, slot, required_checks) for slot in _slots(store, config)))


def _slots(store: Store, config: CompareConfig) -> list[Slot]:
    if config.run_a == config.run_b:
        raise ContractError(f"run_a and run_b are both {config.run_a!r:.140}, expected two runs")
    evaluation_set = config.evaluation_set or _shared_set(store, config)
    runs = [store.run(run_id) for run_id in (config.run_a, config.run_b)]
    return [eval_slot(run, evaluation_set, config.scorer) for run in runs]


def _shared_set(store: Store, config: CompareConfig) -> str:
    """Return the one evaluation set that both runs have a report on, by this scorer."""
    found = [_sets(store, run_id, config.scorer) for run_id in (config.run_a, config.run_b)]
    shared = sorted(found[0] & found[1])
    if len(shared) == 1:
        return shared[0]
    if not shared:
        raise NotPublished(
            f"{config.run_a} and {config.run_b} have no reports by {config.scorer!r:.100} on one evaluation"
            f" set: {sorted(found[0])} and {sorted(found[1])}"
        )
    raise ContractError(f"both runs were asked {', '.join(shared)}: say which in `evaluation_set`")


def _sets(store: Store, run_id: str, scorer: str) -> set[str]:
    reports = [_read_report(slot.resolve()) for slot in store.run(run_id).slots("eval")]
    return {report.evaluation_set for report in reports if report.scorer == scorer}


def _side(store: Store, slot: Slot, required_checks: Sequence[str]) -> Side:
    snapshot = require_audits(slot, slot.resolve(), required_checks)
    report = _read_report(snapshot)
    return Side(
        report=report,
        eval_digest=snapshot.digest,
        scores=read_scores(snapshot),
        settings=run_settings(store.run(slot.key), report.evaluation_set),
    )


def _read_report(snapshot: Snapshot) -> EvalReport:
    return EvalReport.read(snapshot.file("eval.json"))


def read_comparison(snapshot: Snapshot) -> RunComparison:
    """Return a published comparison, verified."""
    return RunComparison.read(snapshot.file(COMPARISON_FILE))
