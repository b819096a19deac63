"""The card of a dataset version."""

from collections.abc import Iterator, Mapping
from typing import Any

from tunix_ml.audits import worst_first
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.quality import Bin
from tunix_ml.contracts.trace import SPLITS, DatasetTrace
from tunix_ml.datasets.card_facts import CardFacts
from tunix_ml.datasets.quality.summary import contaminated
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.card import (
    MAX_NAME_CHARS,
    MAX_ROWS,
    MAX_TEXT_CHARS,
    MOST_QUESTIONS,
    CardView,
    CountTable,
    Question,
    Source,
    count_table,
    question,
    several,
    users,
)
from tunix_ml.registry.pages.published_sets import PublishedDataset
from tunix_ml.registry.pages.text import cut, excerpt, moment

_SPREADS = {"prompt_chars": "characters of a question", "num_steps": "steps of a trace"}


def dataset_card(dataset: PublishedDataset, *, used_by: Mapping[str, Row]) -> CardView:
    """Return the card of a dataset version; `used_by` has a row of each run trained on it, by page."""
    manifest = dataset.manifest
    splits: dict[str, int] = {name: manifest.splits.get(name, 0) for name in SPLITS}
    return CardView(
        kind="dataset",
        name=dataset.name,
        description=excerpt(manifest.description, most=MAX_TEXT_CHARS),
        license=cut(manifest.license, most=MAX_NAME_CHARS),
        facts=tuple(_facts(manifest)),
        digests=(
            ("content", manifest.dataset_digest),
            ("recipe", manifest.recipe_digest),
            ("code", manifest.code_version),
        ),
        tables=(
            *several(
                count_table("Split", "traces", splits, keep_order=True),
                count_table("Family", "traces", manifest.stats.get("families", {})),
            ),
            *_quality(dataset.facts),
            *_rejects(dataset),
        ),
        sources=tuple(
            Source(cut(source.name, most=MAX_NAME_CHARS), source.num_records, source.sha256)
            for source in manifest.sources[:MAX_ROWS]
        ),
        questions=tuple(_question(row) for row in dataset.traces[:MOST_QUESTIONS]),
        users=users(used_by),
        document=links.dataset_document(dataset.name),
        rows_page=links.rows_page(dataset.name),
        verdicts=tuple(_verdicts(dataset.facts)),
    )


def _facts(manifest: DatasetManifest) -> Iterator[tuple[str, str]]:
    yield "traces", f"{manifest.trace_count:,}"
    yield "records read", f"{manifest.read_count:,}"
    yield "rejected", f"{manifest.reject_count:,}"
    for key, label in _SPREADS.items():
        if key in manifest.stats:
            yield label, _spread(manifest.stats[key])
    yield "built", f"{moment(manifest.created_at)} UTC"


def _quality(facts: CardFacts | None) -> Iterator[CountTable]:
    """Yield what is known of the quality of the content: nothing, where nobody has looked."""
    report = facts.quality if facts else None
    if report is not None:
        repeats, found = report.duplicates, report.statistics
        yield count_table(
            "Repeats",
            "found",
            {
                "same question and answer": repeats.num_exact,
                "pairs nearly alike": repeats.num_near,
                "pairs in two splits": repeats.num_across_splits,
            },
            keep_order=True,
        )
        held = {one.evaluation_set: contaminated(one) for one in report.contamination}
        if held:
            yield count_table("Evaluation items that the train split holds", "items", held)
        yield count_table("Findings", "traces", report.findings)
        yield count_table("Kinds of answers", "traces", found.answer_types)
        yield _bars("Characters of a question", found.prompt_chars)
        yield _bars("Characters of the steps", found.reasoning_chars)
        yield _bars("Steps of a trace", found.num_steps)
    tokens = facts.tokens if facts else None
    for split, bins in (tokens.lengths if tokens else {}).items():
        yield _bars(f"Tokens of an example, {split}", bins)


def _bars(title: str, bins: tuple[Bin, ...]) -> CountTable:
    counts = {f"{one.low:,} to {one.high - 1:,}": one.num_traces for one in bins}
    return count_table(title, "traces", counts, keep_order=True)


def _verdicts(facts: CardFacts | None) -> Iterator[tuple[str, str, str]]:
    for audit in worst_first((facts.checks if facts else {}).values()):
        yield audit.check, audit.verdict, cut(audit.description, most=MAX_TEXT_CHARS)


def _rejects(dataset: PublishedDataset) -> list[CountTable]:
    if not dataset.rejects:
        return []
    return [count_table("Rejected", "lines", dataset.rejects)]


def _spread(found: Mapping[str, Any]) -> str:
    least, most, mean = (numbers.short(found[end]) for end in ("min", "max", "mean"))
    return least if least == most else f"{least} to {most}, mean {mean}"


def _question(row: DatasetTrace) -> Question:
    trace = row.trace
    steps = [step.content for step in trace.steps]
    name = f"{row.split} {row.trace_id[:12]}"
    return question(name, prompt=trace.prompt, steps=steps, answer=trace.final_answer)
