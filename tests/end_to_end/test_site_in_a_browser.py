"""The results site as a browser shows it, from its folder on the disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunix_ml.evaluation.report import evaluate, predictions_slot
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.registry.pages.publish import publish_site
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store

HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e" + "x" * 20_000
SHOWN = """Array.from(document.querySelectorAll('tbody tr'))
    .filter(row => !row.hidden).map(row => row.dataset.recipe)"""


@pytest.fixture
def site(
    store: Store,
    evaluated: Callable[..., Slot],
    finished_run: Callable[..., RunDirectory],
    tampered: Callable[..., Any],
    swept: Snapshot,
) -> Path:
    """The folder of a site of a sweep and four runs: good, fine, a stale one, and one of hostile texts."""
    evaluated(recipe="good", share_right=1.0)
    evaluated(recipe="fine", share_right=0.75)
    stale = evaluated(recipe="old", share_right=0.5)
    tampered(predictions_slot(store.run(stale.key), "golden-v2.test"), lambda folder: write_texts(folder, ""))
    hostile = finished_run(recipe="hostile", share_right=0.25)
    tampered(predictions_slot(hostile, "golden-v2.test"), lambda folder: write_texts(folder, HOSTILE))
    evaluate(store, hostile.run_id, "golden-v2.test")
    publish_leaderboard(store, required_checks=())
    return publish_site(store, required_checks=()).path


def write_texts(folder: Path, start: str) -> None:
    path = folder / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    texts = [line | {"text": start + line["text"] + " "} for line in lines]
    path.write_bytes(msgspec.json.Encoder().encode_lines(texts))


def every_page(site: Path) -> list[str]:
    pages = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    assert {page.split("/")[0] for page in pages} == {
        "index.html",
        "runs",
        "compare",
        "datasets",
        "rows",
        "sweeps",
    }
    return pages


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light")])
def test_every_page_loads_without_an_error_from_its_folder_alone_and_never_scrolls_sideways(
    browser: Any, site: Path, width: int, scheme: str
) -> None:
    browser.look(width=width, scheme=scheme)

    for page in every_page(site):
        browser.open(f"file://{site}/{page}")

        assert browser.problems() == [], page
        requests = browser.requests()
        assert len(requests) >= 3, page  # the page, its style and its script
        assert all(url.startswith(f"file://{site}/") for url in requests), (page, requests)
        root = "document.documentElement"
        assert browser.run(f"{root}.scrollWidth - {root}.clientWidth") == 0, page
        assert browser.run("getComputedStyle(document.querySelector('main')).maxWidth") != "none", page


def test_wide_tables_scroll_in_a_box_of_their_own_that_the_keyboard_reaches(browser: Any, site: Path) -> None:
    browser.look(width=375)
    browser.open(f"file://{site}/index.html")

    browser.tab_to(".scroll")

    assert browser.run("document.activeElement.scrollWidth > document.activeElement.clientWidth")


def test_light_and_dark_follow_the_user(browser: Any, site: Path) -> None:
    colors = {}
    for scheme in ("light", "dark"):
        browser.look(width=1280, scheme=scheme)
        browser.open(f"file://{site}/index.html")
        style = "getComputedStyle(document.body)"
        colors[scheme] = browser.run(f"[{style}.backgroundColor, {style}.color]")

    assert colors == {
        "light": ["rgb(255, 255, 255)", "rgb(26, 30, 36)"],
        "dark": ["rgb(17, 20, 26)", "rgb(231, 234, 239)"],
    }


def test_a_table_is_sorted_with_the_keyboard(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/index.html")
    assert browser.run(SHOWN) == ["good", "fine", "hostile", "old"]

    browser.tab_to("th.number:not(.rank):not(.c) button")
    browser.press("Enter")
    best_first = browser.run(SHOWN)
    browser.press("Space")
    worst_first = browser.run(SHOWN)

    heading = "document.activeElement.closest('th')"
    assert best_first == ["good", "fine", "old", "hostile"]
    assert worst_first == ["hostile", "old", "fine", "good"]
    assert browser.run(f"{heading}.getAttribute('aria-sort')") == "ascending"
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1
    assert browser.run(f"getComputedStyle({heading}.querySelector('button')).outlineStyle") == "solid"


def test_what_is_not_known_is_sorted_last_either_way(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/index.html")

    for _ in range(2):
        browser.run("document.querySelector('th.rank button').click()")
        assert browser.run(SHOWN)[-1] == "old"


def test_filters_work_with_the_keyboard_and_stay_in_the_address(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/index.html")

    browser.tab_to("select[name=status]")
    browser.press("ArrowDown")

    assert browser.run("document.activeElement.value") == "stale"
    assert browser.run(SHOWN) == ["old"]
    assert browser.run("location.hash") == "#status=stale"
    assert browser.run("document.getElementById('filter-count').textContent") == "1 of 4 rows are shown."


def test_an_address_with_filters_opens_with_them_and_a_wrong_one_shows_all(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/index.html#recipe=fine&view=training")
    assert browser.run(SHOWN) == ["fine"]
    assert browser.run("document.getElementById('view-training').checked")

    browser.open(f"file://{site}/index.html#recipe=nobody&view=filters")
    assert len(browser.run(SHOWN)) == 4
    browser.open(f"file://{site}/index.html#from=2999-01-01")
    assert browser.run(SHOWN) == []
    assert browser.run("getComputedStyle(document.querySelector('.empty')).display") == "block"


def test_columns_are_chosen_with_the_keyboard(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/index.html")
    display = "getComputedStyle(document.querySelector('td.v-training:not(.v-overview)')).display"
    assert browser.run(display) == "none"

    browser.tab_to("#views input")
    browser.press("ArrowRight", times=2)

    assert browser.run(display) == "table-cell"
    assert browser.run("location.hash") == "#view=training"


def test_the_first_tab_leads_past_the_header(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/index.html")

    browser.press("Tab")
    is_skip_link = browser.run("document.activeElement.className === 'skip'")
    browser.press("Enter")

    assert is_skip_link
    assert browser.run("document.activeElement.id") == "content"
    assert len(browser.run(SHOWN)) == 4


def test_two_runs_are_chosen_to_be_compared(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.open(f"file://{site}/compare/index.html")
    shown = "Array.from(document.querySelectorAll('.verdicts li')).filter(one => !one.hidden).length"
    assert browser.run(shown) == 4

    browser.tab_to("select[name=a]")
    browser.press("ArrowDown")

    assert browser.run("document.activeElement.value").startswith("golden-v2.good.")
    assert browser.run(shown) == 3
    browser.tab_to("select[name=b]")
    browser.press("ArrowDown", times=2)
    assert browser.run(shown) == 1


def test_without_scripts_every_row_is_there_and_nothing_that_would_not_work(browser: Any, site: Path) -> None:
    browser.look(width=1280)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(f"file://{site}/index.html")
        assert browser.run("document.querySelectorAll('tbody tr').length") == 4
        assert browser.run("document.querySelectorAll('th button').length") == 0
        assert browser.run("getComputedStyle(document.querySelector('.filter-box')).display") == "none"
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize(
    ("element", "attribute", "directive"),
    [
        ("img", "src", "img-src"),
        ("script", "src", "script-src-elem"),
        ("script", "textContent", "script-src-elem"),
    ],
)
def test_the_policy_stops_what_would_come_from_elsewhere(
    browser: Any, site: Path, element: str, attribute: str, directive: str
) -> None:
    browser.open(f"file://{site}/index.html")
    script = f"""new Promise(resolve => {{
        addEventListener("securitypolicyviolation", event => resolve(event.violatedDirective));
        const found = document.createElement("{element}");
        found.{attribute} = "https://example.com/x";
        document.body.append(found);
    }})"""

    assert browser.run(script) == directive
    assert not [url for url in browser.requests() if url.startswith("http")]


def test_hostile_texts_are_texts(browser: Any, site: Path) -> None:
    (page,) = (page for page in every_page(site) if page.startswith("runs/golden-v2.hostile."))
    browser.look(width=375)

    browser.open(f"file://{site}/{page}")

    assert browser.run("document.querySelector('pre.text ~ script, pre.text img, main script')") is None
    assert "<script>alert(1)</script>" in browser.run("document.querySelector('main').textContent")
    assert browser.problems() == []


def test_charts_have_a_title_and_say_in_words_what_they_show(browser: Any, site: Path) -> None:
    (page,) = (page for page in every_page(site) if page.startswith("runs/golden-v2.good."))
    browser.look(width=1280)
    browser.open(f"file://{site}/{page}")
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]

    images = [node for node in tree if node.get("role", {}).get("value") in {"image", "img"}]
    names = [node["name"]["value"] for node in images]
    assert any(name.startswith("Loss, nats per token by step training loss: ") for name in names), names
