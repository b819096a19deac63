import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tunix_ml.audits import NotAudited, record_audit
from tunix_ml.evaluation.report import evaluate, predictions_slot
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.publish import publish_site
from tunix_ml.registry.pages.references import read_page
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import RunDirectory, Store

Evaluated = Callable[..., Slot]
HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)><a href=javascript:alert(3)>x</a>"
    "\u202e\u2066evil\u2069\x1b[31m" + "x" * 50_000
)


def test_the_site_names_the_leaderboard_and_the_datasets_it_was_made_from(
    store: Store, evaluated: Evaluated
) -> None:
    evaluated()
    leaderboard = publish_leaderboard(store, required_checks=())

    snapshot = publish_site(store, required_checks=())

    assert snapshot.record.parents == {
        "leaderboard": leaderboard.digest,
        "dataset/golden-v2": store.slot("dataset", "golden-v2").resolve().digest,
    }
    assert snapshot.verify() == []
    assert snapshot.file(links.INDEX).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_results_give_the_same_site(store: Store, evaluated: Evaluated) -> None:
    evaluated()
    publish_leaderboard(store, required_checks=())

    assert publish_site(store, required_checks=()) == publish_site(store, required_checks=())


def test_without_a_leaderboard_there_is_no_site(store: Store) -> None:
    with pytest.raises(NotPublished, match="leaderboard"):
        publish_site(store, required_checks=())


def test_a_leaderboard_that_another_process_has_only_just_published_is_not_waited_for(
    store: Store, evaluated: Evaluated
) -> None:
    evaluated(recipe="ours")
    slot, ours = store.slot("leaderboard", "all"), publish_leaderboard(store, required_checks=())
    record_audit(slot, ours.digest, check="rows_are_current", passed=True, description="found")
    evaluated(recipe="theirs")
    theirs = publish_leaderboard(store, required_checks=())
    checks = ("rows_are_current",)

    early = publish_site(store, required_checks=checks, made_from=ours.digest)
    record_audit(slot, theirs.digest, check="rows_are_current", passed=True, description="found")
    late = publish_site(store, required_checks=checks, made_from=ours.digest)

    assert early.record.parents["leaderboard"] == ours.digest
    assert late.record.parents["leaderboard"] == theirs.digest


def test_a_leaderboard_that_failed_a_check_is_refused(store: Store) -> None:
    snapshot = publish_leaderboard(store, required_checks=())
    slot = store.slot("leaderboard", "all")
    record_audit(slot, snapshot.digest, check="rows_are_current", passed=False, description="found")

    with pytest.raises(NotAudited, match="rows_are_current"):
        publish_site(store, required_checks=("rows_are_current",))


@pytest.fixture
def hostile(
    store: Store, finished_run: Callable[..., RunDirectory], tampered: Callable[..., Any]
) -> Snapshot:
    """The site of a run that wrote all that a page must not obey."""
    run = finished_run(recipe="hostile", share_right=0.5)
    finished_run(recipe="calm", share_right=1.0)

    def write_hostile_texts(folder: Any) -> None:
        path = folder / "predictions.jsonl"
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        texts = [line | {"text": HOSTILE + line["text"]} for line in lines]
        path.write_bytes(msgspec.json.Encoder().encode_lines(texts))

    tampered(predictions_slot(run, "golden-v2.test"), write_hostile_texts)
    for run_id in store.run_ids():
        evaluate(store, run_id, "golden-v2.test")
    publish_leaderboard(store, required_checks=())
    return publish_site(store, required_checks=())


def test_nothing_that_a_model_wrote_becomes_markup(hostile: Snapshot) -> None:
    for name in hostile.record.files:
        if name.endswith(".html"):
            page = read_page(hostile.file(name).read_text(encoding="utf-8"))
            assert page.forbidden == []
            assert not [target for target in page.targets if "javascript" in target or target == "x"]


def test_what_a_reader_could_not_see_is_shown_and_long_texts_are_cut(hostile: Snapshot) -> None:
    (name,) = (name for name in hostile.record.files if name.startswith("runs/golden-v2.hostile."))
    page = hostile.file(name).read_text(encoding="utf-8")

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "⟨U+202E⟩⟨U+2066⟩evil⟨U+2069⟩␛[31m" in page
    assert "more characters" in page
    assert not {"\u202e", "\u2066", "\x1b"} & set(page)
    assert len(page) < 150_000


def test_the_site_of_hostile_texts_stays_small(hostile: Snapshot) -> None:
    assert max(file.num_bytes for file in hostile.record.files.values()) < 300_000
