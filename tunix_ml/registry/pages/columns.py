"""The columns of the leaderboard: what each shows of a row, how it is spelled, and in which views."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA
from tunix_ml.evaluation.comparison import numbers
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages.text import cut

View = Literal["overview", "reasoning", "training"]
VIEWS: tuple[View, ...] = ("overview", "reasoning", "training")
_MAX_CELL_CHARS = 60
_DESCRIPTIONS = {column.name: column.description for column in LEADERBOARD_SCHEMA}


class Column(NamedTuple):
    """A column: its key in the schema, its heading, its views, and how a value is spelled."""

    key: str
    label: str
    views: tuple[View, ...]
    spelled: Callable[[Row], str]
    is_number: bool = True

    @property
    def description(self) -> str:
        """What the column means, as the schema has it."""
        return _DESCRIPTIONS[self.key]


class Cell(NamedTuple):
    """A value of a column: as it is shown, and as it is sorted; an empty sort key is not known."""

    text: str
    sort: str


def cell(column: Column, row: Row) -> Cell:
    """Return the cell of a row."""
    value = row[column.key]
    text = numbers.UNKNOWN if value is None else cut(column.spelled(row), most=_MAX_CELL_CHARS)
    return Cell(text, "" if value is None else cut(str(value), most=_MAX_CELL_CHARS))


def _text(key: str) -> Callable[[Row], str]:
    return lambda row: str(row[key])


def _percent(key: str) -> Callable[[Row], str]:
    return lambda row: numbers.percent(row[key])


def _decimal(key: str, *, decimals: int) -> Callable[[Row], str]:
    return lambda row: numbers.decimal(row[key], decimals=decimals)


def _compact(key: str) -> Callable[[Row], str]:
    return lambda row: numbers.compact(row[key])


def _count(key: str) -> Callable[[Row], str]:
    return lambda row: numbers.count(row[key])


COLUMNS = (
    Column("dataset_version", "Dataset", ("overview",), _text("dataset_version"), is_number=False),
    Column("model", "Model", ("overview", "training"), _text("model"), is_number=False),
    Column("n_items", "n", (), _count("n_items")),
    Column("num_samples", "Samples", (), _count("num_samples")),
    Column("coverage", "Scored,\N{NO-BREAK SPACE}%", ("overview",), _percent("coverage")),
    Column(
        "format_valid", "Form kept,\N{NO-BREAK SPACE}%", ("overview", "reasoning"), _percent("format_valid")
    ),
    Column(
        "hit_max_new_tokens", "Cut off,\N{NO-BREAK SPACE}%", ("reasoning",), _percent("hit_max_new_tokens")
    ),
    Column("claims_correct", "Claims right,\N{NO-BREAK SPACE}%", ("reasoning",), _percent("claims_correct")),
    Column(
        "gold_step_recall",
        "True steps reached,\N{NO-BREAK SPACE}%",
        ("reasoning",),
        _percent("gold_step_recall"),
    ),
    Column(
        "answer_supported",
        "Answer supported,\N{NO-BREAK SPACE}%",
        ("reasoning",),
        _percent("answer_supported"),
    ),
    Column("trace_num_tokens", "Tokens written", ("reasoning",), _decimal("trace_num_tokens", decimals=1)),
    Column(
        "gold_nats_per_token",
        "Loss on the truth",
        ("reasoning",),
        _decimal("gold_nats_per_token", decimals=3),
    ),
    Column("validation_loss", "Validation loss", ("training",), _decimal("validation_loss", decimals=4)),
    Column("num_params", "Parameters", ("training",), _compact("num_params")),
    Column("num_tokens_seen", "Tokens trained", ("training",), _compact("num_tokens_seen")),
    Column("checkpoint_step", "Steps", ("training",), _count("checkpoint_step")),
    Column("device_seconds", "Device-seconds", ("training",), _decimal("device_seconds", decimals=0)),
    Column("answer_rule", "Answer rule", (), _text("answer_rule"), is_number=False),
    Column("evaluated_at", "Date", ("overview",), lambda row: str(row["evaluated_at"])[:10], is_number=False),
)
