import json
from collections.abc import Callable
from pathlib import Path

import pytest

from asset_checks import results_site
from asset_checks.outcome import Check, Subject
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.registry.pages.publish import publish_site
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]
Tamper = Callable[..., Subject]


def site_of(store: Store) -> Subject:
    publish_leaderboard(store, required_checks=())
    snapshot = publish_site(store, required_checks=())
    return Subject(store, "all", store.slot("results_site", "all"), snapshot)


@pytest.fixture
def site(store: Store, evaluated: Evaluated) -> Subject:
    """The site of two runs."""
    evaluated(recipe="best", share_right=1.0)
    evaluated(recipe="poor", share_right=0.25)
    return site_of(store)


def replace(old: str, new: str, name: str = "index.html") -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return edit


@pytest.mark.parametrize("check", results_site.CHECKS, ids=lambda check: check.name)
def test_a_sound_site_passes_every_check(site: Subject, check: Check) -> None:
    outcome = check.function(site)

    assert outcome.passed, outcome.description


@pytest.mark.parametrize("check", results_site.CHECKS, ids=lambda check: check.name)
def test_the_site_of_an_empty_store_is_sound(store: Store, check: Check) -> None:
    assert check.function(site_of(store)).passed


# every_row_is_shown


def test_a_row_that_is_not_shown_is_found(site: Subject, tampered: Tamper) -> None:
    found = tampered(site.slot, replace('data-run="golden-v2.best', 'data-run="golden-v2.other'))

    outcome = results_site.every_row_is_shown(found)

    assert "of golden-v2.best." in outcome.description
    assert "is not shown" in outcome.description
    assert "of golden-v2.other." in outcome.description


def test_a_run_without_a_page_is_found(site: Subject, tampered: Tamper) -> None:
    def delete(folder: Path) -> None:
        next((folder / "runs").glob("golden-v2.poor.*")).unlink()

    found = tampered(site.slot, delete)

    assert "golden-v2.poor" in results_site.every_row_is_shown(found).description
    assert not results_site.links_lead_somewhere(found).passed


# links_lead_somewhere


@pytest.mark.parametrize("target", ["runs/nobody.html", "../index.html", "#nowhere", "index.html#nowhere"])
def test_a_link_to_nothing_is_found(site: Subject, tampered: Tamper, target: str) -> None:
    found = tampered(site.slot, replace('href="#content"', f'href="{target}"'))

    outcome = results_site.links_lead_somewhere(found)

    assert not outcome.passed
    assert f"index.html links to '{target}'" in outcome.description


# nothing_comes_from_elsewhere


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<img src="https://example.com/x.png">', "refers to 'https://example.com/x.png'"),
        ('<a href="//example.com">x</a>', "refers to '//example.com'"),
        ('<a href="javascript:alert(1)">x</a>', "refers to 'javascript:alert(1)'"),
        ("<script>alert(1)</script>", "has script in it"),
        ('<p onclick="alert(1)">x</p>', "has p onclick in it"),
        ('<meta http-equiv="refresh" content="0">', "has refresh in it"),
    ],
)
def test_a_reference_to_elsewhere_is_found(site: Subject, tampered: Tamper, markup: str, found: str) -> None:
    outcome = results_site.nothing_comes_from_elsewhere(
        tampered(site.slot, replace("</main>", f"{markup}</main>"))
    )

    assert not outcome.passed
    assert found in outcome.description


def test_a_weaker_policy_is_found(site: Subject, tampered: Tamper) -> None:
    weak = replace("script-src &#39;self&#39;", "script-src *")

    outcome = results_site.nothing_comes_from_elsewhere(tampered(site.slot, weak))

    assert "has the policies" in outcome.description


def test_a_style_that_loads_something_is_found(site: Subject, tampered: Tamper) -> None:
    loading = replace("color-scheme: light dark;", "background: url(//example.com/x);", "style.css")

    outcome = results_site.nothing_comes_from_elsewhere(tampered(site.slot, loading))

    assert "style.css has url( in it" in outcome.description


# site_is_current


def test_a_site_of_an_earlier_leaderboard_is_found(store: Store, site: Subject, evaluated: Evaluated) -> None:
    evaluated(recipe="late")
    publish_leaderboard(store, required_checks=())

    outcome = results_site.site_is_current(site)

    assert not outcome.passed
    assert "it was made from leaderboard" in outcome.description


def test_other_rows_in_the_json_are_found(site: Subject, tampered: Tamper) -> None:
    def change(folder: Path) -> None:
        path = folder / "api" / "leaderboard.json"
        document = json.loads(path.read_bytes())
        document["rows"][0]["primary_score"] = 0.99
        path.write_text(json.dumps(document))

    outcome = results_site.site_is_current(tampered(site.slot, change))

    assert not outcome.passed
    assert "golden-v2.best" in outcome.description
