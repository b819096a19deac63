"""The dataset card: what a dataset version is, for a person to read."""

from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.recipe import SplitRule
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.markdown import table

_SPLIT_RULES: dict[SplitRule, str] = {
    "prompt": "Splits are decided by the hash of the normalised prompt: a prompt never changes its split when"
    " the dataset grows.",
    "near_duplicates": "Splits are decided by the hash of a normalised prompt: of a group of near-duplicates,"
    " that of the smallest hash. A group stays in one split, and may change it when the dataset grows.",
}


def render_card(manifest: DatasetManifest) -> str:
    """Return the card as Markdown."""
    counts = manifest.counts()
    return "\n".join(
        [
            f"# {manifest.dataset_key}",
            "",
            manifest.description.strip(),
            "",
            f"* Licence: {manifest.license}",
            f"* Content: `{manifest.dataset_digest}`",
            f"* Traces: {manifest.trace_count:,} kept of {manifest.read_count:,} read,"
            f" {counts.rejected:,} rejected, {counts.duplicates:,} duplicates, {counts.filtered:,} filtered",
            *_redacted(manifest),
            f"* Built: {manifest.created_at} by code `{manifest.code_version[:16]}`",
            "",
            *table(("Split", "Traces"), [(name, manifest.splits[name]) for name in SPLITS]),
            "",
            *table(("Family", "Traces"), manifest.stats["families"].items()),
            "",
            *table(("Length", "min / mean / max"), _lengths(manifest)),
            "",
            *table(
                ("Source", "Records", "sha256"),
                [(s.name, s.num_records, f"`{s.sha256[:16]}`") for s in manifest.sources],
            ),
            "",
            _SPLIT_RULES[manifest.split_by],
            "",
        ]
    )


def _redacted(manifest: DatasetManifest) -> list[str]:
    if not manifest.redacted_count:
        return []
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in manifest.stats["redactions"].items())
    return [f"* Redacted: {manifest.redacted_count:,} traces ({kinds})"]


def _lengths(manifest: DatasetManifest) -> list[tuple[str, str]]:
    spreads = {"prompt, characters": "prompt_chars", "steps of a trace": "num_steps"}
    return [
        (label, " / ".join(f"{manifest.stats[key][end]:g}" for end in ("min", "mean", "max")))
        for label, key in spreads.items()
    ]
