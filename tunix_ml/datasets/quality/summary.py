"""The quality of a dataset version, for a person to read."""

from collections.abc import Iterable

from tunix_ml.contracts.quality import Bin, ContaminationSummary, QualityReport
from tunix_ml.markdown import table


def render_quality(report: QualityReport) -> str:
    """Return a report as Markdown."""
    sections = (
        _duplicates(report),
        _contamination(report),
        _findings(report),
        _make_up(report),
        _drift(report),
    )
    content = f"{report.num_traces:,} traces, content `{report.dataset_digest}`."
    return "\n\n".join([f"# Quality of {report.dataset_version}", content, *sections]) + "\n"


def contaminated(summary: ContaminationSummary) -> int:
    """Return the number of items for which a dataset version is not to be trained on."""
    return summary.num_exact + summary.num_ngram - summary.num_accepted


def _duplicates(report: QualityReport) -> str:
    found = report.duplicates
    recall = "could not be measured" if found.recall is None else f"{found.recall:.1%} of {found.num_planted}"
    rows = [
        ("same question and answer as an earlier trace", found.num_exact),
        (f"pairs of similarity {found.threshold:g} or more", found.num_near),
        ("groups that they make", found.num_clusters),
        ("pairs in two splits", found.num_across_splits),
        ("crowds not compared in full", found.num_cut),
        (f"planted copies found ({found.method})", recall),
    ]
    return "\n".join(["## Duplicates", "", *table(("what", "number"), rows)])


def _contamination(report: QualityReport) -> str:
    columns = ("items of", "items", "exact", "13-grams", "renumbered", "accepted", "cannot be judged")
    rows = [
        (
            one.evaluation_set,
            one.num_items,
            one.num_exact,
            one.num_ngram,
            one.num_masked,
            one.num_accepted,
            one.num_uncheckable,
        )
        for one in report.contamination
    ]
    lines = table(columns, rows) if rows else ["There was nothing to compare with."]
    return "\n".join(["## Items that the train split holds", "", *lines])


def _findings(report: QualityReport) -> str:
    rows = report.findings.items()
    note = f"{report.num_claims:,} arithmetic claims were recomputed."
    return "\n".join(["## Findings", "", *table(("check", "traces"), rows), "", note])


def _make_up(report: QualityReport) -> str:
    found = report.statistics
    rows = [
        ("characters of a prompt", _bars(found.prompt_chars)),
        ("characters of the steps", _bars(found.reasoning_chars)),
        ("steps", _bars(found.num_steps)),
        *((name.replace("_", " "), _counts(getattr(found, name))) for name in _COUNTED),
    ]
    return "\n".join(["## Make-up", "", *table(("what", "traces"), rows)])


_COUNTED = ("families", "answer_types", "scripts", "languages")


def _drift(report: QualityReport) -> str:
    if report.compared_with is None:
        return "## Change\n\nNo earlier version is published."
    rows = [(one.quantity, f"{one.distance:.3f}", f"{one.limit:.3f}") for one in report.drift]
    columns = ("distribution", "distance", "tolerated")
    lines = table(columns, rows) if rows else ["There are too few traces to say."]
    return "\n".join([f"## Change since {report.compared_with}", "", *lines])


def _bars(bins: Iterable[Bin]) -> str:
    return ", ".join(f"{one.low}–{one.high - 1}: {one.num_traces:,}" for one in bins)  # noqa: RUF001 - a range


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())
