"""The page of all runs: how far each has come, and what failed and was not made good since."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.run_state import RunState, StatusFact
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.text import Excerpt, excerpt, portable
from tunix_ml.registry.run_states import open_failures, run_states
from tunix_ml.store import Store

_MAX_REASON_CHARS = 2_000
# The colours that the site has for statuses of rows, by what they mean.
_CHIPS = {"completed": "valid", "queued": "incomplete", "training": "incomplete", "evaluating": "incomplete"}


class RunLine(NamedTuple):
    """A run as a line of the page; a page of its own has what stands on the leaderboard."""

    state: RunState
    reason: str
    chip: str
    page: str | None


class FailureLine(NamedTuple):
    """A failure as a line of the page."""

    fact: StatusFact
    what: str
    reason: Excerpt
    next_step: str


class RunsView(NamedTuple):
    """All that the page of all runs shows."""

    runs: tuple[RunLine, ...]
    failures: tuple[FailureLine, ...]
    counts: tuple[tuple[str, int], ...]


def runs_view(store: Store, *, with_page: Sequence[str]) -> RunsView:
    """Return every run, the latest first, and the open failures.

    Args:
        store: of the runs.
        with_page: the ids of runs that have a page of their own.
    """
    states = sorted(run_states(store), key=lambda state: state.since or "", reverse=True)
    lines = tuple(_line(state, home=store.home, has_page=state.run_id in with_page) for state in states)
    failures = tuple(_failure(fact, home=store.home) for fact in reversed(open_failures(store)))
    names = [state.state for state in states]
    return RunsView(lines, failures, tuple((name, names.count(name)) for name in dict.fromkeys(names)))


def _line(state: RunState, *, home: Path, has_page: bool) -> RunLine:
    reason = excerpt(portable(state.reason or "", home=home), most=_MAX_REASON_CHARS).text
    page = links.run_page(state.run_id) if has_page else None
    return RunLine(state, reason, _CHIPS.get(state.state, "invalid"), page)


def _failure(fact: StatusFact, *, home: Path) -> FailureLine:
    what = fact.failed_asset or ", ".join(fact.assets) or "a job"
    reason = excerpt(portable(fact.reason or "", home=home), most=_MAX_REASON_CHARS)
    return FailureLine(fact, what, reason, portable(fact.next_step or "", home=home))
