from collections.abc import Callable
from pathlib import Path

import pytest

from tunix_ml.registry.bundle import BUNDLE_FILE, publish_bundle
from tunix_ml.registry.bundle_reader import read_bundle, verify_bundle
from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact
from tunix_ml.store import Store

TEST_SET = "golden-v2.test"


def test_a_bundle_holds_the_model_its_answers_their_scores_and_the_evidence(
    bundled: Callable[..., Slot],
) -> None:
    contents = read_bundle(bundled().resolve().file(BUNDLE_FILE))

    assert contents.problems == []
    assert {
        "README.md",
        "SHA256SUMS",
        "evidence/environment.json",
        "evidence/evaluation_summary.json",
        "evidence/run_manifest.json",
        f"eval/{TEST_SET}/eval.json",
        f"eval/{TEST_SET}/item_scores.parquet",
        f"items/{TEST_SET}.jsonl",
        "model/model.safetensors",
        f"predictions/{TEST_SET}/predictions.jsonl",
        "run/checkpoint.json",
        "run/metrics.jsonl",
    } <= contents.files.keys()


def test_members_are_sorted(bundled: Callable[..., Slot]) -> None:
    names = list(read_bundle(bundled().resolve().file(BUNDLE_FILE)).files)

    assert names == sorted(names)


def test_the_same_content_gives_the_same_bytes_and_no_new_version(
    store: Store, bundled: Callable[..., Slot]
) -> None:
    slot = bundled()
    first, data = slot.resolve(), slot.resolve().file(BUNDLE_FILE).read_bytes()
    manifest = verify_bundle(first.file(BUNDLE_FILE)).manifest
    evals = {name: asked.eval_digest for name, asked in manifest.evaluation_sets.items()}
    (first.path / BUNDLE_FILE).unlink()

    again = publish_bundle(store, manifest.run_id, evals)

    assert again.digest == first.digest
    assert again.file(BUNDLE_FILE).read_bytes() == data


def test_what_a_bundle_was_made_from_is_not_collected(store: Store, bundled: Callable[..., Slot]) -> None:
    snapshot = bundled().resolve()

    assert set(snapshot.record.parents) == {"model", f"predictions/{TEST_SET}", f"eval/{TEST_SET}"}


def test_damaged_predictions_are_not_bundled(store: Store, bundled: Callable[..., Slot]) -> None:
    slot = bundled()
    manifest = verify_bundle(slot.resolve().file(BUNDLE_FILE)).manifest
    (run_id,) = store.run_ids()
    path = store.run(run_id).slot(f"predictions/{TEST_SET}").resolve().path / "predictions.jsonl"
    Path(path).write_text("changed")
    evals = {name: asked.eval_digest for name, asked in manifest.evaluation_sets.items()}

    with pytest.raises(CorruptArtifact, match=r"predictions\.jsonl has sha256"):
        publish_bundle(store, run_id, evals)
