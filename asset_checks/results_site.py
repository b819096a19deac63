"""Facts about the results site."""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from asset_checks.outcome import Check, Outcome, Subject, all_hold
from tunix_ml.registry.leaderboard import KEY, LEADERBOARD, Row, read_leaderboard
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.references import Page, css_references, is_internal, path_of, read_page
from tunix_ml.registry.pages.render import POLICY
from tunix_ml.snapshot import Snapshot

_COMPARED = ("run_id", "eval_digest", "rank", "status", "primary_score")


def every_row_is_shown(subject: Subject) -> Outcome:
    """Every row of the leaderboard it was made from is on the first page, and each run has its page."""
    rows = {(row["run_id"], row["eval_digest"]) for row in read_leaderboard(_leaderboard(subject))}
    shown = _read(subject.snapshot, links.INDEX).rows
    problems = [f"report {digest} of {run_id} is not shown" for run_id, digest in sorted(rows - shown)]
    problems += [
        f"report {digest} of {run_id} is shown, of no row" for run_id, digest in sorted(shown - rows)
    ]
    pages = {run_id: links.run_page(run_id) for run_id, _ in rows}
    problems += [
        f"{run_id} has no page"
        for run_id, page in sorted(pages.items())
        if page not in subject.snapshot.record.files
    ]
    return all_hold(problems, subject="rows", facts={"num_rows": len(rows), "num_runs": len(pages)})


def links_lead_somewhere(subject: Subject) -> Outcome:
    """Every link of a page leads to a file of the site, and to a place that is there."""
    files = subject.snapshot.record.files
    pages = {name: _read(subject.snapshot, name) for name in _html(subject.snapshot)}
    problems, num_links = [], 0
    for name, page in pages.items():
        for target in filter(is_internal, page.targets):
            num_links += 1
            path, place = path_of(target, page=name), unquote(urlsplit(target).fragment)
            if path not in files:
                problems.append(f"{name} links to {target!r:.140}, which is not there")
            elif place and place not in pages.get(path, Page()).anchors:
                problems.append(f"{name} links to {target!r:.140}, a place that is not there")
    return all_hold(problems, subject="links", facts={"num_pages": len(pages), "num_links": num_links})


def nothing_comes_from_elsewhere(subject: Subject) -> Outcome:
    """No page loads or links anything outside the site, and each refuses to by its policy."""
    problems = []
    for name in _html(subject.snapshot):
        page = _read(subject.snapshot, name)
        problems += [f"{name} refers to {found!r:.140}" for found in page.targets if not is_internal(found)]
        problems += [f"{name} has {found} in it" for found in page.forbidden]
        if page.policies != [POLICY]:
            problems.append(f"{name} has the policies {page.policies}, expected {POLICY!r} alone")
    style = subject.snapshot.file(links.STYLE).read_text(encoding="utf-8")
    problems += [f"{links.STYLE} has {found} in it" for found in css_references(style)]
    return all_hold(problems, subject="pages")


def site_is_current(subject: Subject) -> Outcome:
    """The site was made from the current leaderboard, and its JSON has the same rows."""
    made_from = subject.snapshot.record.parents.get(LEADERBOARD)
    current = subject.store.slot(LEADERBOARD, KEY).resolve()
    problems = []
    if made_from != current.digest:
        problems.append(f"it was made from leaderboard {made_from}, the current one is {current.digest}")
    document = json.loads(subject.snapshot.file(links.API_LEADERBOARD).read_bytes())
    stated, rows = _keys(document["rows"]), _keys(read_leaderboard(_leaderboard(subject)))
    differing = sorted({str(key[0]) for key in stated ^ rows})
    problems += [f"{run_id} has another row in {links.API_LEADERBOARD}" for run_id in differing]
    return all_hold(problems, subject="site", facts={"num_rows": len(rows)})


def _leaderboard(subject: Subject) -> Snapshot:
    return subject.store.slot(LEADERBOARD, KEY).resolve(subject.snapshot.record.parents[LEADERBOARD])


def _keys(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in _COMPARED) for row in rows}


def _html(snapshot: Snapshot) -> Iterator[str]:
    return (name for name in snapshot.record.files if name.endswith(".html"))


def _read(snapshot: Snapshot, name: str) -> Page:
    return read_page(snapshot.file(name).read_text(encoding="utf-8"))


CHECKS = (
    Check("results_site", every_row_is_shown),
    Check("results_site", links_lead_somewhere),
    Check("results_site", nothing_comes_from_elsewhere),
    Check("results_site", site_is_current),
)
