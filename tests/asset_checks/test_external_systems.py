from pathlib import Path

import pytest

from asset_checks import eval_report, external_systems
from asset_checks.outcome import Subject
from asset_checks.subject import RECIPES
from tunix_ml.evaluation.systems import bring_in_all, recipes_slot
from tunix_ml.store import Store


def test_a_foreign_report_goes_through_what_ours_must_have_passed() -> None:
    names = tuple(check.name for check in external_systems.CHECKS)

    assert names == (*eval_report.BLOCKING, "every_recipe_was_read")


def test_a_foreign_report_that_fails_keeps_nobody_from_ranking() -> None:
    assert not any(check.blocking for check in external_systems.CHECKS)


@pytest.fixture
def listed(store: Store) -> Subject:
    """The list of recipes, of which one is broken."""
    folder = store.home / "recipes" / "systems"
    folder.mkdir(parents=True)
    Path(folder, "broken.yaml").write_text("license: MIT")
    bring_in_all(store, report=lambda line: None)
    slot = recipes_slot(store)
    return Subject(store, "all", slot, slot.resolve(), RECIPES)


def test_a_recipe_that_could_not_be_read_is_warned_of(listed: Subject) -> None:
    outcome = external_systems.every_recipe_was_read(listed)

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert "broken: " in outcome.description


def test_checks_of_reports_pass_over_the_list_of_recipes(listed: Subject) -> None:
    assert all(check.function(listed).passed for check in external_systems.CHECKS[:-1])


def test_the_check_of_recipes_passes_over_reports(listed: Subject) -> None:
    report = Subject(listed.store, "all", listed.slot, listed.snapshot, "one/eval/eval-v1")

    assert external_systems.every_recipe_was_read(report).passed
