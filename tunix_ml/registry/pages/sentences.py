"""What a run did, in words for somebody who has never trained a model."""

from tunix_ml.contracts.evaluation import EvalReport, MetricEstimate
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.contracts.system import SystemIdentity
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.pages.text import cut

_MAX_DESCRIPTION_CHARS = 600
_EARLY = {"steps": "", "time_budget": " and stopped by its time budget", "pause": " and paused there"}


def training_sentence(identity: RunIdentity | None, checkpoint: CheckpointRecord | None) -> str:
    """Return how far the run was trained, on what, and whether it learned."""
    if identity is None:
        return "What this run was trained on cannot be read."
    base = f", starting from {cut(identity.train.base_model, most=200)}" if identity.train.base_model else ""
    if checkpoint is None:
        return f"Training on {identity.dataset_version}{base} has not ended."
    early = _EARLY[checkpoint.stopped_by]
    fell = "fell" if checkpoint.final_loss < checkpoint.first_loss else "did not fall: it went"
    return (
        f"Trained {checkpoint.step:,} of {checkpoint.num_train_steps:,} steps on {identity.dataset_version}"
        f"{base} in {numbers.duration(checkpoint.train_time_s)}{early}; the loss {fell} from"
        f" {numbers.short(checkpoint.first_loss)} to {numbers.short(checkpoint.final_loss)}."
    )


def system_sentence(system: SystemIdentity | None) -> str:
    """Return where the texts of a system from elsewhere come from."""
    if system is None:
        return "Where these texts come from cannot be read."
    return (
        f"Not trained here: its texts were read from a file by the recipe {cut(system.recipe, most=100)}."
        f" {cut(system.description, most=_MAX_DESCRIPTION_CHARS)}"
    )


def questions(count: int) -> str:
    """Return a number of questions in words."""
    return f"{count:,} question{'' if count == 1 else 's'}"


def score_sentence(report: EvalReport, *, num_right: int | None) -> str:
    """Return what was asked and how much of it was right.

    Args:
        report: on one evaluation set.
        num_right: items all right, where an item is either right or wrong; None where it may be in between.
    """
    asked = f"{questions(report.n_items)} of {report.evaluation_set}"
    if report.primary_score is None:
        return f"Only {report.n_scored:,} of {asked} have a score, so there is no number to rank."
    estimate = report.metrics[report.primary_metric]
    score = numbers.in_unit(report.primary_metric, estimate.mean)
    interval = _interval(report.primary_metric, estimate)
    if num_right is not None:
        right = f"{num_right:,} right ({score}; {interval})"
        return f"Answered {asked}, {right}, as {_judge(report.scorer)} has it."
    texts = f", with {report.num_samples} texts for each" if report.num_samples > 1 else ""
    return f"Asked {asked}{texts}: it scored {score} on average ({interval})."


def _judge(scorer: str) -> str:
    if scorer == "answers":
        return "the comparison with the expected answers"
    return f"the judge {cut(scorer.removeprefix('judge:'), most=60)}"


def _interval(metric: str, estimate: MetricEstimate) -> str:
    if estimate.ci95_low is None:
        return "one item has no interval"
    is_share = metric in METRICS and METRICS[metric].is_share
    spelled = numbers.percent if is_share else numbers.short
    return f"95 % interval {spelled(estimate.ci95_low)} to {spelled(estimate.ci95_high)}"
