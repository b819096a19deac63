"""All files of the site: which pages and documents there are, and what each is made from."""

import functools
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.registry.leaderboard import Row
from tunix_ml.registry.pages import api, links
from tunix_ml.registry.pages.boards import Board, Results
from tunix_ml.registry.pages.card import CardView
from tunix_ml.registry.pages.columns import COLUMNS
from tunix_ml.registry.pages.comparison_index import ComparisonEntry, comparison_index
from tunix_ml.registry.pages.comparison_page import compared, comparison_view
from tunix_ml.registry.pages.dataset_card import dataset_card
from tunix_ml.registry.pages.evaluation_set_card import evaluation_set_card
from tunix_ml.registry.pages.evaluation_view import evaluation_view
from tunix_ml.registry.pages.evaluations import EvaluationReader
from tunix_ml.registry.pages.leaderboard_page import STATUSES, leaderboard_view, title_of
from tunix_ml.registry.pages.lineage import lineage
from tunix_ml.registry.pages.pairs import Pair, chosen_pairs
from tunix_ml.registry.pages.published_sets import PublishedSets
from tunix_ml.registry.pages.render import render, static_files
from tunix_ml.registry.pages.rows_page import rows_view
from tunix_ml.registry.pages.run_files import RunFiles, read_run_files
from tunix_ml.registry.pages.run_page import ComparisonLink, run_view
from tunix_ml.registry.pages.runs_page import runs_view
from tunix_ml.registry.pages.sweep_page import sweep_view
from tunix_ml.registry.pages.sweeps import PublishedSweeps
from tunix_ml.store import Store

_MOST_RUNS_HELD = 40


class File(NamedTuple):
    """A file of the site: its path from the root, and its bytes."""

    path: str
    data: bytes


class Site:
    """The site of one leaderboard; what was read of a run is kept while pages are made from it."""

    def __init__(
        self, store: Store, results: Results, sets: PublishedSets, sweeps: PublishedSweeps | None = None
    ) -> None:
        self._store = store
        self._results = results
        self._runs = runs_view(store, with_page=results.run_ids)
        self._sets = sets
        self._sweeps = sweeps or PublishedSweeps()
        self._reader = EvaluationReader(store)
        self._set_pages = _set_pages(sets)
        self._files = functools.lru_cache(maxsize=_MOST_RUNS_HELD)(self._read_files)
        self._comparisons: dict[str, list[ComparisonLink]] = defaultdict(list)

    def files(self) -> Iterator[File]:
        """Yield every file; comparisons come before the pages of runs, which link to them."""
        yield from (File(path, data) for path, data in static_files().items())
        entries: list[ComparisonEntry] = []
        for board in self._results.boards:
            for pair in chosen_pairs(board):
                if found := self._comparison(board, pair):
                    entries.append(found.entry)
                    yield found.file
        index = comparison_index(self._results, entries)
        yield self._page("comparisons", links.COMPARISONS, index)
        for run_id in self._results.run_ids:
            yield from self._run(run_id)
        yield from self._cards()
        yield from self._sweep_pages()
        view = leaderboard_view(self._results, pages=self._set_pages)
        yield self._page("runs", links.RUNS, self._runs)
        yield self._page("leaderboard", links.INDEX, view, columns=COLUMNS, statuses=STATUSES)
        yield from self._documents()

    def _comparison(self, board: Board, pair: Pair) -> "_Comparison | None":
        a, b = self._reader.read(pair.a), self._reader.read(pair.b)
        comparison = compared(board, a, b)
        if comparison is None:
            return None
        view = comparison_view(
            comparison,
            a,
            b,
            board=board,
            files=(self._files(pair.a["run_id"]), self._files(pair.b["run_id"])),
            questions=self._reader.questions(a),
            set_page=self._set_pages.get(board.evaluation_set),
        )
        page = links.comparison_page(board.evaluation_set, board.scorer, pair.a["run_id"], pair.b["run_id"])
        for row, other in ((pair.a, pair.b), (pair.b, pair.a)):
            link = ComparisonLink(page, title_of(other), other["run_id"], board.evaluation_set)
            self._comparisons[row["run_id"]].append(link)
        entry = ComparisonEntry(page, board, pair, view.verdict)
        return _Comparison(self._page("comparison", page, view), entry)

    def _run(self, run_id: str) -> Iterator[File]:
        placed = self._results.boards_of(run_id)
        files, evaluations = self._files(run_id), [self._reader.read(row) for _, row in placed]
        chains = [lineage(self._store, files, evaluation) for evaluation in evaluations]
        views = [
            evaluation_view(
                evaluation,
                board,
                number=number,
                questions=self._reader.questions(evaluation),
                chain=chain,
                set_page=self._set_pages.get(board.evaluation_set),
                places=self._reader.places(evaluation),
            )
            for number, ((board, _), evaluation, chain) in enumerate(
                zip(placed, evaluations, chains, strict=True), start=1
            )
        ]
        rows = [row for _, row in placed]
        view = run_view(files, rows, views, comparisons=self._comparisons[run_id])
        yield self._page("run", links.run_page(run_id), view)
        documents = {
            "run": api.run_document(files, evaluations, chains),
            "metrics": api.metrics_document(run_id, files.metrics),
            "items": api.items_document(run_id, evaluations),
        }
        for name, document in documents.items():
            yield File(links.run_document(run_id, name), api.to_json(document))

    def _read_files(self, run_id: str) -> RunFiles:
        return read_run_files(self._store.run(run_id), home=self._store.home)

    def _cards(self) -> Iterator[File]:
        cards: list[tuple[str, CardView]] = []
        for dataset in self._sets.datasets:
            used_by = self._used_by("dataset_version", dataset.name)
            card = dataset_card(dataset, used_by=used_by)
            cards.append((links.dataset_page(dataset.name), card))
            yield File(card.document, api.to_json(api.dataset_document(dataset)))
            yield self._page("rows", links.rows_page(dataset.name), rows_view(dataset))
        for found in self._sets.evaluation_sets:
            used_by = self._used_by("evaluation_set", found.name)
            card = evaluation_set_card(found, used_by=used_by)
            cards.append((links.evaluation_set_page(found.name), card))
            yield File(card.document, api.to_json(api.evaluation_set_document(found)))
        for page, card in cards:
            yield self._page("card", page, card)
        yield self._page("cards", links.DATASETS, cards, problems=self._sets.problems)

    def _sweep_pages(self) -> Iterator[File]:
        run_ids = set(self._results.run_ids)
        views = [sweep_view(sweep, run_ids=run_ids) for sweep in self._sweeps.sweeps]
        for sweep, view in zip(self._sweeps.sweeps, views, strict=True):
            yield self._page("sweep", links.sweep_page(view.sweep_id), view)
            yield File(view.document, api.to_json(api.sweep_document(sweep)))
        yield self._page("sweeps", links.SWEEPS, views, problems=self._sweeps.problems)

    def _used_by(self, key: str, name: str) -> dict[str, Row]:
        """Return a row of each run that was trained on, or asked, something, by its page."""
        rows = [row for row in self._results.rows if row[key] == name]
        return {links.run_page(row["run_id"]): row for row in rows}

    def _documents(self) -> Iterator[File]:
        documents = {
            links.API_LEADERBOARD: api.leaderboard_document(self._results),
            links.API_PAIRS: api.pairs_document(self._results),
            links.API_RUNS: api.runs_document(self._results, self._runs),
            links.API_INDEX: api.index_document(
                self._results,
                datasets=[found.name for found in self._sets.datasets],
                evaluation_sets=[found.name for found in self._sets.evaluation_sets],
                sweeps=[found.report.sweep_id for found in self._sweeps.sweeps],
            ),
        }
        yield from (File(path, api.to_json(document)) for path, document in documents.items())

    def _page(self, template: str, page: str, view: object, **values: object) -> File:
        record = self._results.snapshot.record
        text = render(template, page=page, view=view, made_from=record, **values)
        return File(page, text.encode("utf-8"))


class _Comparison(NamedTuple):
    file: File
    entry: ComparisonEntry


def _set_pages(sets: PublishedSets) -> dict[str, str]:
    """Return the page of each evaluation set: its own, or that of the dataset it is a split of."""
    pages = {
        evaluation_set_name(found.name, split): links.dataset_page(found.name)
        for found in sets.datasets
        for split in SPLITS
    }
    return pages | {found.name: links.evaluation_set_page(found.name) for found in sets.evaluation_sets}
