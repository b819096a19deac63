"""What the lake knows about a dataset version beyond its manifest: licences, checks, quality."""

from typing import NamedTuple

from tunix_ml.audits import audits, worst_first
from tunix_ml.contracts.artifact import Audit
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.quality import QualityReport
from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.datasets.card import render_card
from tunix_ml.datasets.quality.publish import quality_of, quality_slot
from tunix_ml.datasets.quality.summary import render_quality
from tunix_ml.markdown import table
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

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
    tokens: TokensManifest | None = None


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
        checks=audits(slot, snapshot.digest) | _quality_audits(store, snapshot),
        quality=quality_of(store, manifest.dataset_key, dataset_digest=snapshot.digest),
        tokens=tokens_of(store, manifest.dataset_key, dataset_digest=snapshot.digest),
    )


def tokens_of(store: Store, dataset_version: str, *, dataset_digest: str) -> TokensManifest | None:
    """Return what the tokens of one content are; None if there are none, or those of another content."""
    slot = store.slot("tokenized_examples", dataset_version)
    if slot.pointer() is None:
        return None
    manifest = TokensManifest.read(slot.resolve().file("tokens.json"))
    return manifest if manifest.dataset_digest == dataset_digest else None


def render_full_card(facts: CardFacts) -> str:
    """Return the card as Markdown: what the published card says, and what has been found out since."""
    return "\n".join(
        [
            render_card(facts.manifest).rstrip(),
            "",
            "## Sources and licences",
            "",
            *table(("Source", "Licence", "Records"), facts.sources),
            "",
            "## Quality",
            "",
            *_quality_lines(facts),
            *_token_lines(facts.tokens),
            "## Intended use",
            "",
            _USE,
            "",
        ]
    )


def _quality_audits(store: Store, snapshot: Snapshot) -> dict[str, Audit]:
    """Return the verdicts on the quality of this very content, if it is what was judged last."""
    slot = quality_slot(store, snapshot.record.key)
    if slot.pointer() is None:
        return {}
    judged = slot.resolve()
    is_this = judged.record.parents.get("dataset") == snapshot.digest
    return audits(slot, judged.digest) if is_this else {}


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
    return [*_checked(facts.checks), *_measured(facts.quality)]


def _token_lines(tokens: TokensManifest | None) -> list[str]:
    if tokens is None:
        return []
    rows = [
        (split, f"{one.low:,} to {one.high - 1:,}", one.num_traces)
        for split, bins in tokens.lengths.items()
        for one in bins
    ]
    tokenizer = f"`{tokens.tokenizer}` (`{tokens.tokenizer_digest[:16]}`)"
    made = f"With tokenizer {tokenizer} and template `{tokens.template}`."
    return ["## Tokens", "", made, "", *table(("Split", "Tokens of an example", "Examples"), rows), ""]


def _measured(report: QualityReport | None) -> list[str]:
    """Return the sections of the report below the heading of this card."""
    if report is None:
        return []
    _, _, sections = render_quality(report).partition("\n## ")
    return [*f"## {sections}".replace("## ", "### ").splitlines(), ""]


def _checked(checks: dict[str, Audit]) -> list[str]:
    rows = [(audit.check, audit.verdict, audit.description) for audit in worst_first(checks.values())]
    return ["### Checks", "", *table(("Check", "Verdict", "Found"), rows), ""] if rows else []
