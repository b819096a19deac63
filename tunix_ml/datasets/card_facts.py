"""What the lake knows about a dataset version beyond its manifest: licences, checks, quality."""

from collections.abc import Sequence
from typing import NamedTuple

from tunix_ml.audits import audits
from tunix_ml.contracts.artifact import Audit
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.quality import QualityReport
from tunix_ml.datasets.card import render_card
from tunix_ml.datasets.quality.publish import quality_of
from tunix_ml.datasets.quality.summary import render_quality
from tunix_ml.store import NotPublished, Snapshot, Store

_PARENT = "dataset:"
_USE = (
    "Made for supervised fine-tuning of language models that reason step by step, and for scoring them. Train"
    " on `train`, choose settings by `validation`, and keep `test` for the score alone: a model that has seen"
    " it cannot be scored by it. The steps are those of the sources; not every one of them has been proven."
)


class SourceLicense(NamedTuple):
    """A source and the licence its rows are under."""

    name: str
    license: str
    num_records: int


class CardFacts(NamedTuple):
    """What a card rests on, all of it about one content."""

    manifest: DatasetManifest
    sources: tuple[SourceLicense, ...]
    checks: dict[str, Audit]
    quality: QualityReport | None


def collect_facts(store: Store, snapshot: Snapshot) -> CardFacts:
    """Read everything the lake has about one content of a dataset version."""
    manifest = DatasetManifest.read(snapshot.file("manifest.json"))
    slot = store.slot("dataset", manifest.dataset_key)
    return CardFacts(
        manifest=manifest,
        sources=tuple(
            SourceLicense(source.name, _license(store, source.name, snapshot, manifest), source.num_records)
            for source in manifest.sources
        ),
        checks=audits(slot, snapshot.digest),
        quality=quality_of(store, manifest.dataset_key, dataset_digest=snapshot.digest),
    )


def render_full_card(facts: CardFacts) -> str:
    """Return the card as Markdown: what the published card says, and what has been found out since."""
    return "\n".join(
        [
            render_card(facts.manifest).rstrip(),
            "",
            "## Sources and licences",
            "",
            *_table(
                ("Source", "Licence", "Records"),
                [(entry.name, entry.license, f"{entry.num_records:,}") for entry in facts.sources],
            ),
            "## Quality",
            "",
            *_quality_lines(facts),
            "## Intended use",
            "",
            _USE,
            "",
        ]
    )


def _license(store: Store, source: str, snapshot: Snapshot, manifest: DatasetManifest) -> str:
    """Return a parent version's own licence, that of the recipe for anything else."""
    if not source.startswith(_PARENT):
        return manifest.license
    try:
        parent = store.slot("dataset", source.removeprefix(_PARENT)).resolve(
            snapshot.record.parents.get(source)
        )
        return DatasetManifest.read(parent.file("manifest.json")).license
    except NotPublished:
        return "no longer in the lake"


def _quality_lines(facts: CardFacts) -> list[str]:
    if not facts.checks and facts.quality is None:
        return ["No check has been run on this content.", ""]
    return [*_measured(facts.quality), *_checked(facts.checks)]


def _measured(report: QualityReport | None) -> list[str]:
    """Return the sections of the report below the heading of this card."""
    if report is None:
        return []
    _, _, sections = render_quality(report).partition("\n## ")
    return [*f"## {sections}".replace("## ", "### ").splitlines(), ""]


def _checked(checks: dict[str, Audit]) -> list[str]:
    rows = [
        (name, "passed" if audit.passed else "failed", audit.description) for name, audit in checks.items()
    ]
    return _table(("Check", "Verdict", "Found"), rows) if rows else []


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *lines, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
