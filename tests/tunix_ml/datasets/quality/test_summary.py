from tunix_ml.contracts.quality import ContaminationSummary, Drift
from tunix_ml.datasets.quality.examine import Subject, examine
from tunix_ml.datasets.quality.publish import publish_quality
from tunix_ml.datasets.quality.summary import contaminated, render_quality
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


def test_a_summary_tells_every_count(store: Store, golden: Snapshot) -> None:
    text = (publish_quality(store, "golden-v2").path / "README.md").read_text(encoding="utf-8")

    assert "# Quality of golden-v2" in text
    assert "| golden-v2.test | 8 | 0 | 0 | 0 | 0 | 6 |" in text
    assert "| arithmetic | 0 |" in text
    assert "377 arithmetic claims were recomputed." in text
    assert "letter_count: 20" in text
    assert "No earlier version is published." in text


def test_a_summary_of_nothing_says_so() -> None:
    text = render_quality(examine(Subject("mine-v1", "0" * 64, ())).report)

    assert "There was nothing to compare with." in text
    assert "could not be measured" in text


def test_a_summary_tells_what_has_changed() -> None:
    report = examine(Subject("mine-v2", "0" * 64, (), compared_with="mine-v1")).report
    changed = report.model_copy(update={"drift": (Drift(quantity="scripts", distance=0.4, limit=0.1),)})

    assert "There are too few traces to say." in render_quality(report)
    assert "| scripts | 0.400 | 0.100 |" in render_quality(changed)


def test_accepted_items_are_not_held_against_a_dataset() -> None:
    summary = ContaminationSummary(
        evaluation_set="asked-v1",
        items_digest="0" * 64,
        num_items=9,
        num_exact=2,
        num_ngram=1,
        num_masked=4,
        num_accepted=1,
        num_uncheckable=0,
    )

    assert contaminated(summary) == 2
