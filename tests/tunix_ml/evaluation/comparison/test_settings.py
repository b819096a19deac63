from collections.abc import Callable

import pytest

from tunix_ml.contracts.system import AnswerRule, SystemIdentity
from tunix_ml.evaluation.comparison.settings import run_settings
from tunix_ml.snapshot import NotPublished
from tunix_ml.store import RunDirectory, Store


def test_a_trained_run_has_what_was_configured_and_how_it_was_asked(
    finished_run: Callable[..., RunDirectory],
) -> None:
    settings = run_settings(finished_run(recipe="named"), "golden-v2.test")

    assert settings["train"]["recipe"] == "named"
    assert settings["template"] == "reasoning_tags"
    assert settings["decoding"]["temperature"] == 0


def test_a_set_that_was_never_asked_has_no_decoding(finished_run: Callable[..., RunDirectory]) -> None:
    with pytest.raises(NotPublished):
        run_settings(finished_run(), "pets-v1")


def test_a_system_from_elsewhere_has_what_its_recipe_says(store: Store) -> None:
    system = SystemIdentity(
        recipe="gsm8k-2021",
        system="other_lab",
        description="A system.",
        license="MIT",
        evaluation_set="pets-v1",
        source_sha256="0" * 64,
        recipe_digest="0" * 64,
        answer=AnswerRule(kind="whole"),
        judge=None,
    )
    run = store.run(system.run_id())
    run.path.mkdir(parents=True)
    (run.path / "system.json").write_bytes(system.to_json())

    settings = run_settings(run, "pets-v1")

    assert settings["answer"] == {"kind": "whole"}
    assert "judge" not in settings


def test_a_run_without_an_identity_has_no_settings(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        run_settings(store.run("nothing"), "pets-v1")
