import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunix_ml.contracts.prediction import PredictConfig
from tunix_ml.contracts.registry import Decision
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.evaluation.report import evaluate
from tunix_ml.inference.predict import predict
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.registry.archive import export_archive
from tunix_ml.registry.archive_reader import extract_archive, verify_archive
from tunix_ml.registry.evidence import checkpoint_digest
from tunix_ml.registry.models import RegisteredModel, decide, read_registered
from tunix_ml.registry.policy import Scope
from tunix_ml.registry.promotion import PromotionRules, examine, promote, register_new
from tunix_ml.snapshot import CorruptArtifact, NotPublished
from tunix_ml.store import Store
from tunix_ml.training.loop import train

MODEL = "golden-v2.test"


@pytest.fixture
def promoted(
    store: Store, contender: Callable[..., str], rows: Callable[[], list[Any]], rules: PromotionRules
) -> RegisteredModel:
    """A registered model with two versions, one of them the champion."""
    run_id = contender("one")
    contender("two")
    model = register_new(store, read_registered(store, MODEL), rows(), scope=rules.scope, actor="ada")
    examined = examine(store, model, run_id, rows=rows(), rules=rules)
    return promote(store, model, examined, scope=rules.scope, actor="ada", reason="first")


def test_an_archive_holds_the_champion_with_all_that_proves_it(
    store: Store, promoted: RegisteredModel, tmp_path: Path
) -> None:
    manifest = export_archive(store, MODEL, tmp_path / "one.tar")

    assert promoted.champion is not None
    assert (manifest.version, manifest.head) == (promoted.champion.version, promoted.head)
    assert set(manifest.members) >= {
        "model/model.safetensors",
        "predictions/predictions.jsonl",
        "predictions/predictions_meta.json",
        "eval/eval.json",
        "eval/item_scores.parquet",
        "run/config.json",
        "run/checkpoint.json",
        "events/00000001.json",
        "events/00000003.json",
    }
    assert verify_archive(tmp_path / "one.tar") == manifest


def test_the_same_content_gives_the_same_bytes(
    store: Store, promoted: RegisteredModel, tmp_path: Path
) -> None:
    export_archive(store, MODEL, tmp_path / "one.tar")
    for path in store.home.rglob("*"):
        path.touch()
    export_archive(store, MODEL, tmp_path / "two.tar")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_members_are_sorted_and_bear_no_time_and_no_owner(
    store: Store, promoted: RegisteredModel, tmp_path: Path
) -> None:
    export_archive(store, MODEL, tmp_path / "one.tar")

    with tarfile.open(tmp_path / "one.tar") as tar:
        manifest, *members = tar.getmembers()
    assert manifest.name == "MANIFEST.json"
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(one.mtime, one.uid, one.gid, one.uname, one.mode, one.type) for one in members} == {
        (0, 0, 0, "", 0o644, tarfile.REGTYPE)
    }


def test_provenance_is_among_the_members_where_a_run_has_it(
    store: Store, promoted: RegisteredModel, tmp_path: Path
) -> None:
    assert promoted.champion is not None
    (store.run(promoted.champion.run_id).path / "provenance.json").write_text("{}")

    assert "run/provenance.json" in export_archive(store, MODEL, tmp_path / "one.tar").members


def test_another_version_than_the_champion_can_be_exported(
    store: Store, promoted: RegisteredModel, tmp_path: Path
) -> None:
    assert promoted.candidate is not None

    manifest = export_archive(store, MODEL, tmp_path / "two.tar", version=promoted.candidate.version)

    assert manifest.run_id == promoted.candidate.run_id


@pytest.mark.parametrize(
    ("name", "version", "missing"),
    [("nobody", None, "'nobody' has no champion"), (MODEL, "0" * 64, "has no version 0000")],
)
def test_what_is_not_there_is_not_exported(
    store: Store, promoted: RegisteredModel, tmp_path: Path, name: str, version: str | None, missing: str
) -> None:
    with pytest.raises(NotPublished, match=missing):
        export_archive(store, name, tmp_path / "one.tar", version=version)
    assert list(tmp_path.glob("*.tar")) == []


def test_a_damaged_version_is_not_exported(store: Store, promoted: RegisteredModel, tmp_path: Path) -> None:
    assert promoted.champion is not None
    run = store.run(promoted.champion.run_id)
    (run.slot("model").resolve().path / "model.safetensors").write_text("damaged")

    with pytest.raises(CorruptArtifact, match=r"model\.safetensors has sha256"):
        export_archive(store, MODEL, tmp_path / "one.tar")
    assert list(tmp_path.glob("*.tar")) == []
    assert list(tmp_path.glob(".tmp-*")) == []


@pytest.fixture
def archived(sums: Store, identify: Callable[..., RunIdentity], tmp_path: Path) -> Path:
    """The archive of a model that was really trained and asked."""
    identity = identify(sums, num_train_steps=2)
    train(store=sums, identity=identity, execution=ExecutionConfig(device="cpu"), report=lambda line: None)
    run, config = sums.run(identity.run_id()), PredictConfig(max_new_tokens=4, predict_device="cpu")
    predictions = predict(store=sums, run_id=run.run_id, config=config, report=lambda line: None)
    report = evaluate(sums, run.run_id, "sums-v1.test")
    scope = Scope("sums-v1.test", "answers")
    model = run.slot("model").resolve().digest
    evidence = {
        "model": model,
        "checkpoint": checkpoint_digest(run),
        "predictions": predictions["sums-v1.test"].digest,
        "eval": report.digest,
    }
    state = RegisteredModel("sums")
    for kind in ("register", "promote"):
        fields = {"kind": kind, "version": model, "run_id": run.run_id, "actor": "ada", "reason": "first"}
        fields |= {"evaluation_set": scope.evaluation_set, "scorer": scope.scorer, "evidence": evidence}
        state = decide(sums, state, Decision.model_validate(fields))
    export_archive(sums, "sums", tmp_path / "sums.tar")
    return tmp_path / "sums.tar"


def test_the_model_of_an_archive_is_the_model_that_was_trained(
    sums: Store, archived: Path, tmp_path: Path
) -> None:
    manifest = extract_archive(archived, tmp_path / "unpacked")

    original = load_model(sums.run(manifest.run_id).slot("model").resolve().path)
    unpacked = load_model(tmp_path / "unpacked" / "model")
    assert unpacked.network == original.network
    assert unpacked.params.keys() == original.params.keys()
    for name, value in original.params.items():
        np.testing.assert_array_equal(unpacked.params[name], value)
