"""The gate between two rows of the leaderboard: a candidate's run against the champion's."""

from tunix_ml.contracts.evaluation import EvalReport, ItemScore
from tunix_ml.contracts.gate import GateReport
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.aggregate import by_item, item_values
from tunix_ml.evaluation.report import eval_slot, read_scores
from tunix_ml.evaluation.statistics.gate import GateSide, regression_gate
from tunix_ml.registry.policy import Row
from tunix_ml.store import Snapshot, Store


def contest(store: Store, candidate: Row, champion: Row, *, delta: float) -> GateReport:
    """Judge whether a candidate's run is worse than the champion's, item by item.

    What each was trained on may differ; what both were asked, and how it was scored, may not.

    Raises:
        StoreError: a report is gone or damaged.
    """
    ours, theirs = _report(store, candidate), _report(store, champion)
    scores = read_scores(ours)
    clusters = {item.item_id: item.cluster for item in by_item(scores)}
    return regression_gate(
        _side(ours, scores), _side(theirs, read_scores(theirs)), delta=delta, clusters=clusters
    )


def _report(store: Store, row: Row) -> Snapshot:
    slot = eval_slot(store.run(row["run_id"]), row["evaluation_set"], row["scorer"])
    return slot.resolve(row["eval_digest"])


def _side(snapshot: Snapshot, scores: list[ItemScore]) -> GateSide:
    report = EvalReport.read(snapshot.file("eval.json"))
    metric = report.primary_metric
    inputs = {
        "evaluation set": report.evaluation_set_digest,
        "scorer": report.scorers.get(metric, report.scorer),
        "judge": report.inputs.get("judge", "none"),
    }
    return GateSide(report.run_id, METRICS[metric], item_values(scores, metric), inputs)
