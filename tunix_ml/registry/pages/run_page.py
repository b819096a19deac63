"""The page of a run: what it did in words, and everything behind that."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tunix_ml.contracts.training import TrainConfig
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.chart import Chart
from tunix_ml.registry.pages.curves import training_charts
from tunix_ml.registry.pages.evaluation_view import EvaluationView
from tunix_ml.registry.pages.leaderboard_page import title_of
from tunix_ml.registry.pages.run_files import RunFiles
from tunix_ml.registry.pages.sentences import system_sentence, training_sentence
from tunix_ml.registry.pages.text import cut

_MAX_VALUE_CHARS = 400
_MAX_FACTS = 200


class Fact(NamedTuple):
    """A named value, with what it means where that is known."""

    name: str
    value: str
    meaning: str = ""


class ComparisonLink(NamedTuple):
    """A page that compares this run with another."""

    page: str
    other: str
    other_run: str
    evaluation_set: str


@dataclass(frozen=True, kw_only=True)
class RunView:
    """All that the page of a run shows."""

    run_id: str
    title: str
    is_external: bool
    sentence: str
    evaluations: tuple[EvaluationView, ...]
    charts: tuple[Chart, ...]
    num_metrics: int
    settings: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    provenance: tuple[Fact, ...]
    comparisons: tuple[ComparisonLink, ...]
    documents: tuple[str, ...]
    problems: tuple[str, ...]


def run_view(
    files: RunFiles,
    rows: Sequence[Row],
    evaluations: Sequence[EvaluationView],
    *,
    comparisons: Sequence[ComparisonLink],
) -> RunView:
    """Return what the page of a run shows."""
    is_external = files.identity is None and files.system is not None
    sentence = (
        system_sentence(files.system) if is_external else training_sentence(files.identity, files.checkpoint)
    )
    return RunView(
        run_id=files.run_id,
        title=title_of(rows[0]),
        is_external=is_external,
        sentence=sentence,
        evaluations=tuple(evaluations),
        charts=training_charts(files.metrics),
        num_metrics=len(files.metrics),
        settings=tuple(_settings(files)),
        facts=tuple(_facts(files, rows[0])),
        provenance=tuple(_flat(files.provenance or {}))[:_MAX_FACTS],
        comparisons=tuple(comparisons),
        documents=tuple(links.run_document(files.run_id, name) for name in ("run", "metrics", "items")),
        problems=files.problems,
    )


def _settings(files: RunFiles) -> Iterator[Fact]:
    """Yield the configuration, with the meaning that its contract gives."""
    if files.system:
        yield from _flat(files.system.model_dump(mode="json", exclude_none=True))
    if files.identity:
        yield Fact("template", files.identity.template, "how question, steps and answer are written")
        for name, field in TrainConfig.model_fields.items():
            value = getattr(files.identity.train, name)
            if value not in (None, ""):
                yield Fact(name, cut(str(value), most=_MAX_VALUE_CHARS), field.description or "")


def _facts(files: RunFiles, row: Row) -> Iterator[Fact]:
    """Yield what the run amounts to."""
    yield Fact("model", cut(str(row["model"]), most=_MAX_VALUE_CHARS))
    if record := files.checkpoint:
        yield Fact("parameters", f"{record.num_params:,}")
        yield Fact("tokens trained on", f"{record.num_tokens_seen:,}")
        yield Fact("device", cut(record.device, most=_MAX_VALUE_CHARS))
        yield Fact("training", f"{record.train_time_s:,.1f} s, and {record.compile_time_s:,.1f} s to compile")
        yield Fact("validation loss", f"{record.validation_loss:.4f}")
    if row["device_seconds"] is not None:
        yield Fact("cost", f"{row['device_seconds']:,.1f} device-seconds of training and decoding")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[Fact]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield Fact(cut(f"{prefix}{name}", most=100), cut(str(value), most=_MAX_VALUE_CHARS))
