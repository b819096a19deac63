"""The README of a submission bundle: the score, what each file is, and how to check them."""

from collections.abc import Iterator, Sequence

from tunix_ml.contracts.bundle import GitSource
from tunix_ml.registry.bundle_evidence import Evidence

_MEANINGS = {
    "README.md": "this page",
    "SHA256SUMS": "sha256 of every other file",
    "evidence/run_manifest.json": "data, recipe, seeds, steps and digests of the run",
    "evidence/evaluation_summary.json": "the score with its interval, the number of items, all metrics",
    "evidence/environment.json": "commit, packages, devices and settings of the training",
    "model/": "the model, a Hugging Face folder with its tokenizer",
    "predictions/": "what the model wrote for each item, by evaluation set",
    "eval/": "the report on each evaluation set, with the score of each item",
    "items/": "the questions and their answers",
    "run/": "identity, record, provenance and training metrics, as the run left them",
}


def render_readme(evidence: Evidence, members: Sequence[str]) -> str:
    """Return the page of a bundle that has these members beside it."""
    return "\n".join(
        [
            f"# {evidence.manifest.run_id}",
            "",
            *_scores(evidence),
            "",
            *_training(evidence),
            "",
            "## Files",
            "",
            "| File | What it is |",
            "|---|---|",
            *(f"| `{name}` | {meaning} |" for name, meaning in _present(members)),
            "",
            *_commands(evidence),
            "",
        ]
    )


def _scores(evidence: Evidence) -> Iterator[str]:
    yield f"| Asked | {evidence.summary.primary_metric} | 95 % interval | Items |"
    yield "|---|---|---|---|"
    for name, found in evidence.summary.evaluation_sets.items():
        yield f"| {name} | {found.score:.4f} | {found.ci95_low:.3f} to {found.ci95_high:.3f} | {found.n} |"


def _training(evidence: Evidence) -> Iterator[str]:
    manifest, environment = evidence.manifest, evidence.environment
    end = "the end of its time" if manifest.stopped_by == "time_budget" else "its end"
    yield (
        f"A model of {manifest.num_params:,} parameters, trained on `{manifest.dataset_version}` to {end}:"
        f" {manifest.step} of {manifest.num_train_steps} steps in {manifest.train_time_s:.0f} s on"
        f" {environment.device}, validation loss {manifest.validation_loss:.4f}."
    )


def _present(members: Sequence[str]) -> Iterator[tuple[str, str]]:
    written = {"README.md", "SHA256SUMS"}
    for name, meaning in _MEANINGS.items():
        if name in written or any(member.startswith(name) for member in members):
            yield name, meaning


def _commands(evidence: Evidence) -> Iterator[str]:
    source = evidence.environment.source
    where = f"commit `{source.commit}`" if isinstance(source, GitSource) else f"version {source.version}"
    yield from ("## Check it", "", "In this folder:", "", "```bash", "sha256sum -c SHA256SUMS", "```", "")
    yield from (
        f"In a clone of Tunix RT at {where}, ask the model everything again and score what it writes:",
        "",
        "```bash",
        "uv run python -m tunix_ml.tuning.reproduce_bundle <this folder>",
        "```",
        "",
        "The answer format and the settings of decoding stand in `evidence/run_manifest.json`. On the kind of"
        " device that wrote them, texts repeat character for character; on another one a few may differ.",
    )
