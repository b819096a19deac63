from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetManifest
from tunix_ml.registry.pages.evaluation_set_card import evaluation_set_card
from tunix_ml.registry.pages.published_sets import PublishedSet

MANIFEST = EvaluationSetManifest(
    name="pets-v1",
    content_digest="0" * 64,
    description="Questions about pets.",
    license="CC0-1.0",
    recipe_digest="1" * 64,
    source="pets.jsonl",
    source_sha256="2" * 64,
    n_items=2,
    sections={"all": 2},
    categories={"cats": 1, "dogs": 1},
    difficulties={"all": 2},
    answer_types={"choice": 1, "number": 1},
    num_clusters=2,
    created_at="2026-11-22T10:20:30+00:00",
)
ITEMS = (
    EvaluationItem("a", "Which barks?", "B", answer_type="choice", choices={"A": "a cat", "B": "a dog"}),
    EvaluationItem("b", "How heavy?", "5", answer_type="number", unit="kg", steps=("Weigh it.",)),
)


def test_a_card_has_counts_source_and_questions() -> None:
    card = evaluation_set_card(PublishedSet("pets-v1", "0" * 64, MANIFEST, ITEMS), used_by={})

    assert dict(card.facts) == {"questions": "2", "clusters": "2", "published": "2026-11-22 10:20 UTC"}
    assert [table.title for table in card.tables] == ["Category", "Answer type"]
    assert [(source.name, source.num_records) for source in card.sources] == [("pets.jsonl", 2)]
    assert (card.kind, card.license) == ("evaluation set", "CC0-1.0")


def test_a_question_shows_its_options_and_its_unit() -> None:
    card = evaluation_set_card(PublishedSet("pets-v1", "0" * 64, MANIFEST, ITEMS), used_by={})

    first, second = card.questions
    assert first.prompt.text == "Which barks?\nA: a cat\nB: a dog"
    assert (first.answer.text, first.note) == ("B", "choice")
    assert (second.answer.text, [step.text for step in second.steps]) == ("5 kg", ["Weigh it."])
