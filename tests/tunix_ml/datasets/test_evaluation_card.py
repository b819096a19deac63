from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetManifest
from tunix_ml.datasets.evaluation_card import render_evaluation_card

MANIFEST = EvaluationSetManifest(
    name="mine-v1",
    content_digest="a" * 64,
    description="Four questions.\n",
    license="CC0-1.0",
    recipe_digest="b" * 64,
    source="mine.jsonl",
    source_sha256="c" * 64,
    n_items=1_004,
    sections={"core": 1_000, "a|b": 4},
    categories={"all": 1_004},
    difficulties={"all": 1_004},
    answer_types={"number": 1_004},
    num_clusters=1_003,
    created_at="2026-01-01T00:00:00+00:00",
)
ITEMS = [
    EvaluationItem(str(i), f"How far?\nFrom {i}.", str(i), "number", ("It is far.",), "km") for i in range(4)
]


def test_the_card_says_what_is_asked_and_counts_it() -> None:
    card = render_evaluation_card(MANIFEST, ITEMS)

    assert card.startswith("# mine-v1\n\nFour questions.\n\n* Licence: CC0-1.0\n")
    assert "* Items: 1,004 in 1,003 clusters" in card
    assert "| Section | Items |\n|---|---|\n| core | 1,000 |\n| a\\|b | 4 |\n" in card


def test_the_card_has_no_table_of_what_is_not_told_apart() -> None:
    card = render_evaluation_card(MANIFEST, ITEMS)

    assert "| Answer type | Items |" in card
    assert "| Difficulty | Items |" not in card


def test_the_card_shows_the_first_items_as_they_stand() -> None:
    card = render_evaluation_card(MANIFEST, ITEMS)

    assert "Item `2`:\n\n    How far?\n    From 2.\n    It is far.\n    number: 2 km\n" in card
    assert "Item `3`" not in card
