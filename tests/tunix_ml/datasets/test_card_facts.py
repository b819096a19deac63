import shutil

from tunix_ml.audits import record_audit
from tunix_ml.contracts.manifest import SourceFile
from tunix_ml.datasets.card_facts import collect_facts, render_full_card, tokens_of
from tunix_ml.datasets.quality.publish import publish_quality
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


def lines_of(store: Store, snapshot: Snapshot) -> list[str]:
    return render_full_card(collect_facts(store, snapshot)).splitlines()


def test_the_card_has_counts_sources_with_their_license_and_the_intended_use(
    store: Store, golden: Snapshot
) -> None:
    lines = lines_of(store, golden)

    assert lines[0] == "# golden-v2"
    assert "| generator:golden | Apache-2.0 | 100 |" in lines
    assert any("keep `test` for the score alone" in line for line in lines)


def test_a_dataset_that_nobody_checked_says_so(store: Store, golden: Snapshot) -> None:
    assert "No check has been run on this content." in lines_of(store, golden)


def test_the_verdicts_of_the_checks_stand_on_the_card(store: Store, golden: Snapshot) -> None:
    slot = store.slot("dataset", "golden-v2")
    record_audit(slot, golden.digest, check="counts_agree", passed=True, description="100 | 100")
    record_audit(slot, golden.digest, check="splits_share_no_prompt", passed=False, description="1 is shared")
    record_audit(slot, "0" * 64, check="of_other_content", passed=True, description="-")

    lines = lines_of(store, golden)

    assert "| counts_agree | passed | 100 \\| 100 |" in lines
    assert "| splits_share_no_prompt | failed | 1 is shared |" in lines
    assert not any("of_other_content" in line for line in lines)


def test_what_failed_and_what_was_warned_of_stand_before_what_passed(store: Store, golden: Snapshot) -> None:
    slot = store.slot("dataset", "golden-v2")
    record_audit(slot, golden.digest, check="a", passed=True, description="fine")
    record_audit(slot, golden.digest, check="b", passed=True, is_warning=True, description="doubtful")
    record_audit(slot, golden.digest, check="c", passed=False, description="wrong")

    lines = lines_of(store, golden)

    start = lines.index("### Checks") + 4
    assert lines[start : start + 3] == [
        "| c | failed | wrong |",
        "| b | warning | doubtful |",
        "| a | passed | fine |",
    ]


def test_the_measured_quality_of_this_content_stands_on_the_card(store: Store, golden: Snapshot) -> None:
    publish_quality(store, "golden-v2")

    lines = lines_of(store, golden)

    assert "### Duplicates" in lines
    assert lines.count("# golden-v2") == 1
    assert not any(line.startswith("# Quality") for line in lines)


def test_a_parent_has_its_own_license_and_one_that_is_gone_has_none(store: Store, golden: Snapshot) -> None:
    parent = SourceFile(name="dataset:golden-v2", sha256=golden.digest, num_bytes=1, num_records=7)
    facts = collect_facts(store, golden)
    mixed = facts.manifest.model_copy(
        update={"dataset_key": "mixed-v1", "license": "MIT", "sources": (parent,)}
    )
    with store.slot("dataset", "mixed-v1").publish(parents={"dataset:golden-v2": golden.digest}) as draft:
        (draft.path / "manifest.json").write_bytes(mixed.to_json())

    there = collect_facts(store, draft.snapshot).sources
    shutil.rmtree(store.slot("dataset", "golden-v2").path)
    gone = collect_facts(store, draft.snapshot).sources

    assert [(source.name, source.license) for source in there] == [("dataset:golden-v2", "Apache-2.0")]
    assert [source.license for source in gone] == ["no longer in the lake"]


def test_the_card_has_the_lengths_in_tokens_of_this_content(
    store: Store, golden: Snapshot, tokenized: Snapshot
) -> None:
    facts = collect_facts(store, golden)

    assert facts.tokens is not None
    text = render_full_card(facts)
    assert "## Tokens" in text
    assert sum(one.num_traces for bins in facts.tokens.lengths.values() for one in bins) == 92
    assert tokens_of(store, "golden-v2", dataset_digest="0" * 64) is None
