"""The card of a dataset version."""

from collections.abc import Iterator, Mapping
from typing import Any

from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import SPLITS, DatasetTrace
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
            *_rejects(dataset),
        ),
        sources=tuple(
            Source(cut(source.name, most=MAX_NAME_CHARS), source.num_records, source.sha256)
            for source in manifest.sources[:MAX_ROWS]
        ),
        questions=tuple(_question(row) for row in dataset.traces[:MOST_QUESTIONS]),
        users=users(used_by),
        document=links.dataset_document(dataset.name),
    )


def _facts(manifest: DatasetManifest) -> Iterator[tuple[str, str]]:
    yield "traces", f"{manifest.trace_count:,}"
    yield "records read", f"{manifest.read_count:,}"
    yield "rejected", f"{manifest.reject_count:,}"
    for key, label in _SPREADS.items():
        if key in manifest.stats:
            yield label, _spread(manifest.stats[key])
    yield "built", f"{moment(manifest.created_at)} UTC"


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
