"""The report as Markdown: the means, the parts of the set, and the first items with what was written."""

from collections.abc import Iterator, Mapping, Sequence

from tunix_ml.contracts.evaluation import EvalReport, ItemScore, MetricEstimate
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.markdown import cell, table

_NUM_SHOWN = 8
_MAX_SHOWN_CHARS = 4_000


def render_report(report: EvalReport, scores: Sequence[ItemScore]) -> str:
    """Return the report as Markdown."""
    shown = [score for score in scores if score.text is not None and score.sample_index == 0][:_NUM_SHOWN]
    return "\n".join(
        [
            f"# {report.run_id} on {report.evaluation_set}",
            "",
            f"{report.n_scored} of {report.n_items} items have {_all_samples(report.num_samples)}:"
            f" {', '.join(f'{count} {status}' for status, count in report.status_counts.items())}.",
            "",
            *_metric_table(report),
            "",
            *_group_tables(report),
            f"Scored by `{report.scorer}`, answers found by `{report.answer_rule}`. It rests on:",
            "",
            *(f"- {name} `{digest[:16]}`" for name, digest in sorted(report.inputs.items())),
            "",
            *(line for score in shown for line in _sample_lines(score, report.primary_metric)),
        ]
    )


def _all_samples(num_samples: int) -> str:
    return "a score" if num_samples == 1 else f"{num_samples} scores each, whose mean counts"


def _metric_table(report: EvalReport) -> list[str]:
    named = {f"{name}{_unit(name)}": metric for name, metric in report.metrics.items()}
    return _estimates("Metric", named | {f"pass@{k}": metric for k, metric in report.pass_at_k.items()})


def _unit(name: str) -> str:
    return "" if METRICS[name].is_share else f", {METRICS[name].unit}"


def _group_tables(report: EvalReport) -> Iterator[str]:
    for group, parts in report.groups.items():
        yield from _estimates(f"{report.primary_metric} by {group}", parts)
        yield ""


def _estimates(title: str, named: Mapping[str, MetricEstimate]) -> list[str]:
    rows = (
        (name, f"{metric.mean:.3f}", metric.shown_interval(), f"{metric.stderr:.3f}", metric.n)
        for name, metric in named.items()
    )
    return table((title, "Mean", "95 % interval", "Standard error", "n"), rows)


def _sample_lines(score: ItemScore, metric: str) -> list[str]:
    value = score.scores.get(metric)
    verdict = "right" if value == 1 else f"not right, {score.status}"
    text = (score.text or "")[:_MAX_SHOWN_CHARS]
    written = "\n".join(f"    {line}" for line in text.splitlines())
    return [f"Item `{score.item_id[:16]}` ({verdict}; expected `{cell(score.expected)}`):", "", written, ""]
