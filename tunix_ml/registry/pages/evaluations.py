"""The evaluations behind the rows: report, scores and questions, each read once while it is at hand."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.evaluation import EvalReport, ItemScore
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.datasets.lineage import places_of_items
from tunix_ml.datasets.tally import Place
from tunix_ml.evaluation.comparison.settings import run_settings
from tunix_ml.evaluation.report import eval_slot, read_scores
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages.text import portable
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

_MOST_HELD = 40
_MOST_SETS_HELD = 4


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What lies behind one row; where something cannot be read it is missing, and `problems` say why."""

    row: Row
    snapshot: Snapshot | None = None
    report: EvalReport | None = None
    scores: tuple[ItemScore, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class EvaluationReader:
    """Reads the evaluations of a store, and keeps the ones used last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._evaluations: OrderedDict[str, Evaluation] = OrderedDict()
        self._places: dict[tuple[str, str], Mapping[str, Place]] = {}
        self._questions: OrderedDict[tuple[str, str], Mapping[str, EvaluationItem]] = OrderedDict()

    def read(self, row: Row) -> Evaluation:
        """Return what lies behind a row of the leaderboard: the report that the row was taken from."""
        key = row["eval_digest"] + row["run_id"]
        if key not in self._evaluations:
            self._evaluations[key] = _read(self._store, row)
            if len(self._evaluations) > _MOST_HELD:
                self._evaluations.popitem(last=False)
        self._evaluations.move_to_end(key)
        return self._evaluations[key]

    def questions(self, evaluation: Evaluation) -> Mapping[str, EvaluationItem]:
        """Return the items that were asked, by id; none where they cannot be read any more."""
        if evaluation.report is None:
            return {}
        name, digest = evaluation.report.evaluation_set, evaluation.report.inputs.get("evaluation_set", "")
        if (name, digest) not in self._questions:
            self._questions[name, digest] = _read_questions(self._store, name, digest)
            if len(self._questions) > _MOST_SETS_HELD:
                self._questions.popitem(last=False)
        self._questions.move_to_end((name, digest))
        return self._questions[name, digest]

    def places(self, evaluation: Evaluation) -> Mapping[str, Place]:
        """Return the file and line of each item that is a trace of a dataset version still in the store."""
        if evaluation.report is None:
            return {}
        name, digest = evaluation.report.evaluation_set, evaluation.report.inputs.get("evaluation_set", "")
        if (name, digest) not in self._places:
            self._places = {(name, digest): _read_places(self._store, name, digest)}
        return self._places[name, digest]


def _read_places(store: Store, name: str, digest: str) -> Mapping[str, Place]:
    try:
        return places_of_items(store, name, source_digest=digest or None)
    except (TunixError, OSError):
        return {}


def _read(store: Store, row: Row) -> Evaluation:
    run = store.run(row["run_id"])
    try:
        snapshot = eval_slot(run, row["evaluation_set"], row["scorer"]).resolve(row["eval_digest"])
        report = EvalReport.read(snapshot.file("eval.json"))
    except (TunixError, OSError) as error:
        return Evaluation(row=row, problems=(portable(str(error), home=store.home),))
    problems: list[str] = []
    scores: tuple[ItemScore, ...] = ()
    settings: Mapping[str, Any] = {}
    try:
        scores = tuple(read_scores(snapshot))
    except (TunixError, OSError) as error:
        problems.append(portable(str(error), home=store.home))
    try:
        settings = run_settings(run, report.evaluation_set)
    except (TunixError, OSError) as error:
        problems.append(portable(str(error), home=store.home))
    return Evaluation(
        row=row,
        snapshot=snapshot,
        report=report,
        scores=scores,
        settings=settings,
        problems=tuple(problems),
    )


def _read_questions(store: Store, name: str, digest: str) -> Mapping[str, EvaluationItem]:
    try:
        items = load_evaluation_set(store, name, digest=digest or None).items
    except (TunixError, OSError):
        return {}
    return {item.item_id: item for item in items}
