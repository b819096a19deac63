"""The card of an evaluation set: what is asked, for a person to read."""

from collections.abc import Sequence

from tunix_ml.contracts.evaluation_set import EVERYTHING, EvaluationItem, EvaluationSetManifest
from tunix_ml.markdown import table

_NUM_SHOWN = 3


def render_evaluation_card(manifest: EvaluationSetManifest, items: Sequence[EvaluationItem]) -> str:
    """Return the card as Markdown: facts, counts, and the first items."""
    counts = {
        "Section": manifest.sections,
        "Category": manifest.categories,
        "Difficulty": manifest.difficulties,
        "Answer type": manifest.answer_types,
    }
    told_apart = {title: found for title, found in counts.items() if set(found) != {EVERYTHING}}
    return "\n".join(
        [
            f"# {manifest.name}",
            "",
            manifest.description.strip(),
            "",
            f"* Licence: {manifest.license}",
            f"* Content: `{manifest.content_digest}`",
            f"* Items: {manifest.n_items:,} in {manifest.num_clusters:,} clusters",
            f"* Read from: `{manifest.source}`, sha256 `{manifest.source_sha256[:16]}`",
            "",
            *(
                line
                for title, found in told_apart.items()
                for line in (*table((title, "Items"), found.items()), "")
            ),
            *(line for item in items[:_NUM_SHOWN] for line in _shown(item)),
        ]
    )


def _shown(item: EvaluationItem) -> list[str]:
    unit = f" {item.unit}" if item.unit else ""
    lines = [item.prompt, *item.steps, f"{item.answer_type}: {item.final_answer}{unit}"]
    text = [f"    {line}" for part in lines for line in part.splitlines()]
    return [f"Item `{item.item_id}`:", "", *text, ""]
