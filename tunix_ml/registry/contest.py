"""The gate between two reports: whether a run has become worse than another, item by item."""

from tunix_ml.contracts.gate import GateReport
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.aggregate import ScoredItem, by_item, values_of
from tunix_ml.evaluation.report import read_report, read_scores
from tunix_ml.evaluation.statistics.gate import GateSide, regression_gate
from tunix_ml.snapshot import Snapshot

DELTA = 0.05


def contest(
    candidate: Snapshot, baseline: Snapshot, *, is_same_dataset: bool, delta: float = DELTA
) -> GateReport:
    """Judge whether the run of one published report is worse than that of another, item by item.

    What both were asked, and how it was scored and by which judge, must be the same. What they were trained
    on may differ, unless `is_same_dataset` demands otherwise.

    Raises:
        StoreError: a report is gone or damaged.
    """
    ours, theirs = by_item(read_scores(candidate)), by_item(read_scores(baseline))
    return regression_gate(
        _side(candidate, ours, is_same_dataset=is_same_dataset),
        _side(baseline, theirs, is_same_dataset=is_same_dataset),
        delta=delta,
        clusters={item.item_id: item.cluster for item in ours},
    )


def _side(snapshot: Snapshot, items: list[ScoredItem], *, is_same_dataset: bool) -> GateSide:
    report = read_report(snapshot)
    metric = report.primary_metric
    inputs = {
        "evaluation set": report.evaluation_set_digest,
        "scorer": report.scorers.get(metric, report.scorer),
        "judge": report.inputs.get("judge", "none"),
    }
    if is_same_dataset:
        inputs["dataset"] = report.inputs.get("dataset", "none")
    return GateSide(report.run_id, METRICS[metric], values_of(items, metric), inputs)
