"""The card of something that runs are trained on or asked: what both kinds have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages.leaderboard_page import title_of
from tunix_ml.registry.pages.text import Excerpt, cut, excerpt

MOST_QUESTIONS = 5
MAX_ROWS = 60
MAX_NAME_CHARS = 120
MAX_TEXT_CHARS = 1_500
_MAX_STEPS = 12
_MAX_STEP_CHARS = 500


class CountTable(NamedTuple):
    """How many there are of each kind, each with its share of the largest."""

    title: str
    of: str
    rows: tuple[tuple[str, int, float], ...]
    num_left_out: int


class Question(NamedTuple):
    """A question with its answer and the reasoning between them."""

    name: str
    prompt: Excerpt
    steps: tuple[Excerpt, ...]
    num_steps_left_out: int
    answer: Excerpt
    note: str


class Source(NamedTuple):
    """A file that was read."""

    name: str
    num_records: int
    sha256: str


class User(NamedTuple):
    """A run that was trained on it, or asked it."""

    page: str
    title: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class CardView:
    """All that a card shows."""

    kind: str
    name: str
    description: Excerpt
    license: str
    facts: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    tables: tuple[CountTable, ...]
    sources: tuple[Source, ...]
    questions: tuple[Question, ...]
    users: tuple[User, ...]
    document: str
    rows_page: str = ""
    verdicts: tuple[tuple[str, str, str], ...] = ()


def count_table(title: str, of: str, counts: Mapping[str, int], *, keep_order: bool = False) -> CountTable:
    """Return a table of counts, the largest first unless their order is to be kept."""
    ordered = list(counts.items())
    if not keep_order:
        ordered.sort(key=lambda pair: (-pair[1], pair[0]))
    largest = max(counts.values(), default=0) or 1
    rows = tuple((cut(name, most=MAX_NAME_CHARS), number, number / largest) for name, number in ordered)
    return CountTable(title, of, rows[:MAX_ROWS], max(0, len(rows) - MAX_ROWS))


def several(*tables: CountTable) -> tuple[CountTable, ...]:
    """Return those of some tables that tell anything: one kind alone is everything."""
    return tuple(table for table in tables if len(table.rows) > 1)


def question(name: str, *, prompt: str, steps: Sequence[str], answer: str, note: str = "") -> Question:
    """Return a question as a card shows it, each of its texts cut."""
    return Question(
        name=cut(name, most=MAX_NAME_CHARS),
        prompt=excerpt(prompt, most=MAX_TEXT_CHARS),
        steps=tuple(excerpt(step, most=_MAX_STEP_CHARS) for step in steps[:_MAX_STEPS]),
        num_steps_left_out=max(0, len(steps) - _MAX_STEPS),
        answer=excerpt(answer, most=MAX_NAME_CHARS),
        note=note,
    )


def users(rows: Mapping[str, Row]) -> tuple[User, ...]:
    """Return the runs of some rows, by their pages."""
    return tuple(User(page, title_of(row), row["run_id"]) for page, row in rows.items())
