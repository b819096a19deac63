"""The card of an evaluation set of the catalog."""

from collections.abc import Mapping

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.card import (
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    MOST_QUESTIONS,
    CardView,
    Question,
    Source,
    count_table,
    question,
    several,
    users,
)
from tunix_ml.registry.pages.published_sets import PublishedSet
from tunix_ml.registry.pages.text import cut, excerpt, moment


def evaluation_set_card(published: PublishedSet, *, used_by: Mapping[str, Row]) -> CardView:
    """Return the card of an evaluation set; `used_by` has a row of each run that was asked it, by page."""
    manifest = published.manifest
    counts = {
        "Section": manifest.sections,
        "Category": manifest.categories,
        "Difficulty": manifest.difficulties,
        "Answer type": manifest.answer_types,
    }
    source = cut(manifest.source, most=MAX_NAME_CHARS)
    return CardView(
        kind="evaluation set",
        name=published.name,
        description=excerpt(manifest.description, most=MAX_TEXT_CHARS),
        license=cut(manifest.license, most=MAX_NAME_CHARS),
        facts=(
            ("questions", f"{manifest.n_items:,}"),
            ("clusters", f"{manifest.num_clusters:,}"),
            ("published", f"{moment(manifest.created_at)} UTC"),
        ),
        digests=(("content", manifest.content_digest), ("recipe", manifest.recipe_digest)),
        tables=several(*(count_table(title, "questions", found) for title, found in counts.items())),
        sources=(Source(source, manifest.n_items, manifest.source_sha256),),
        questions=tuple(_question(item) for item in published.items[:MOST_QUESTIONS]),
        users=users(used_by),
        document=links.evaluation_set_document(published.name),
    )


def _question(item: EvaluationItem) -> Question:
    options = [f"{label}: {text}" for label, text in item.choices.items()]
    return question(
        item.item_id,
        prompt="\n".join([item.prompt, *options]),
        steps=item.steps,
        answer=f"{item.final_answer} {item.unit}" if item.unit else item.final_answer,
        note=item.answer_type,
    )
