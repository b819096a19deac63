"""Which items of an evaluation set the training questions hold: as they are, in great part, or renumbered."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunix_ml.contracts.quality import ContaminationKind
from tunix_ml.datasets.quality.grams import Grams, grams, parts
from tunix_ml.datasets.quality.questions import QuestionArrays

RUN_WORDS = 13
MIN_COVERAGE = 0.5
# The wording of more questions than this, numbers aside, is a template, and quotes nobody.
MAX_RARE = 10
_CHUNK_WORDS = 500_000

Words = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


class Overlap(NamedTuple):
    """An item that the training questions hold, and the one of them that holds most of it."""

    item: int
    kind: ContaminationKind
    coverage: float
    question: int


class Overlaps(NamedTuple):
    """What was found of a set; `uncheckable` items are in no other way known to be clean."""

    found: list[Overlap]
    uncheckable: list[int]


class _Runs(NamedTuple):
    """The runs of words of the items and which training questions have them.

    `holders` has, for each run and each training question that has it, the place of the run and the question.
    """

    items: Places
    starts: Places
    is_common: NDArray[np.bool_]
    is_held: NDArray[np.bool_]
    holders: tuple[Places, Places]


def find_overlaps(items: QuestionArrays, training: QuestionArrays, *, masks: Words) -> Overlaps:
    """Return, for each item, the strongest reason to call it known, if there is any.

    exact: the same words. ngram: runs of 13 words that training questions have, and few of them, cover at
    least half of the item's words. masked: the same words when numbers are left out, unless both come from
    one generator. An item is uncheckable if it is no exact one and runs that could tell cover less than half
    of it.

    Source: 13-grams, and rare ones only, as in Brown et al. 2020, appendix C; the share is ours.
    """
    exact = _first_with(items.keys, training.keys)
    renumbered = _renumbered(items, training)
    runs = _find_runs(items, training, masks)
    coverage = _coverage(items, runs, runs.is_held & ~runs.is_common)
    judged = _coverage(items, runs, ~runs.is_common)
    is_quoted = (coverage >= MIN_COVERAGE) & (exact < 0)
    quoting = _most_quoting(runs, is_quoted)
    found = []
    for item in np.flatnonzero((exact >= 0) | is_quoted | (renumbered >= 0)).tolist():
        share = float(coverage[item])
        if exact[item] >= 0:
            found.append(Overlap(item, "exact", 1.0, int(exact[item])))
        elif is_quoted[item]:
            found.append(Overlap(item, "ngram", share, quoting[item]))
        else:
            found.append(Overlap(item, "masked", share, int(renumbered[item])))
    uncheckable = np.flatnonzero((judged < MIN_COVERAGE) & (exact < 0))
    return Overlaps(found, uncheckable.tolist())


def _first_with(wanted: Hashes, keys: Hashes) -> Places:
    """Return the first place of each wanted key, -1 where there is none."""
    unique, first = np.unique(keys, return_index=True)
    if not len(unique):
        return np.full(len(wanted), -1)
    places = _nearest(unique, wanted)
    return np.where(unique[places] == wanted, first[places], -1)


def _renumbered(items: QuestionArrays, training: QuestionArrays) -> Places:
    order = np.argsort(training.masked_keys, kind="stable")
    keys = training.masked_keys[order]
    starts = np.searchsorted(keys, items.masked_keys, "left")
    ends = np.searchsorted(keys, items.masked_keys, "right")
    found = np.full(len(items.keys), -1)
    for item in np.flatnonzero((items.masked_keys != 0) & (ends > starts)).tolist():
        questions = order[starts[item] : ends[item]]
        generator = items.generators[item]
        foreign = questions[(training.generators[questions] != generator) | (generator == 0)]
        found[item] = foreign[0] if len(foreign) else -1
    return found


def _find_runs(items: QuestionArrays, training: QuestionArrays, masks: Words) -> _Runs:
    runs = grams(items.ids, items.bounds, length=RUN_WORDS)
    without_numbers = grams(masks[items.ids], items.bounds, length=RUN_WORDS).hashes
    is_common = _num_questions(without_numbers, training, masks) > MAX_RARE
    hits = _hits(training, np.unique(runs.hashes[~is_common]))
    places, questions = _matches(np.where(is_common, 0, runs.hashes), hits)
    generators = items.generators[runs.texts[places]]
    is_foreign = (training.generators[questions] != generators) | (generators == 0)
    is_held = np.zeros(len(runs.hashes), dtype=np.bool_)
    is_held[places[is_foreign]] = True
    return _Runs(runs.texts, runs.starts, is_common, is_held, (places[is_foreign], questions[is_foreign]))


class _Hits(NamedTuple):
    """Runs that stand in the training questions, sorted, each with the question that it stands in."""

    hashes: Hashes
    questions: Places


def _hits(training: QuestionArrays, wanted: Hashes) -> _Hits:
    hashes, questions = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for first, found in _runs_in_parts(training):
        is_wanted = wanted[_nearest(wanted, found.hashes)] == found.hashes if len(wanted) else slice(0)
        hashes.append(found.hashes[is_wanted])
        questions.append(found.texts[is_wanted] + first)
    found_hashes, found_questions = np.concatenate(hashes), np.concatenate(questions)
    order = np.lexsort((found_questions, found_hashes))
    return _Hits(found_hashes[order], found_questions[order])


def _num_questions(hashes: Hashes, training: QuestionArrays, masks: Words) -> Places:
    """Return in how many training questions each run stands, the numbers left out of these too."""
    wanted, inverse = np.unique(hashes, return_inverse=True)
    counts = np.zeros(len(wanted), dtype=np.int64)
    for _, found in _runs_in_parts(training, masks) if len(wanted) else ():
        places = _nearest(wanted, found.hashes)
        is_wanted = wanted[places] == found.hashes
        once = np.unique(found.texts[is_wanted] * len(wanted) + places[is_wanted])
        np.add.at(counts, once % len(wanted), 1)
    return counts[inverse]


def _runs_in_parts(training: QuestionArrays, masks: Words | None = None) -> Iterator[tuple[int, Grams]]:
    """Yield the runs of some questions, whose texts are counted from the first of these, and that one."""
    for start, end in parts(training.bounds, num_words=_CHUNK_WORDS):
        part = training.bounds[start : end + 1]
        ids = training.ids[part[0] : part[-1]]
        yield start, grams(ids if masks is None else masks[ids], part - part[0], length=RUN_WORDS)


def _nearest(values: Hashes, wanted: Hashes) -> Places:
    """Return where each wanted value would stand among sorted ones, of which there is one at least."""
    return np.minimum(np.searchsorted(values, wanted), len(values) - 1)


def _matches(hashes: Hashes, hits: _Hits) -> tuple[Places, Places]:
    """Return every pair of a hash's place and a question that has it."""
    starts = np.searchsorted(hits.hashes, hashes, "left")
    lengths = np.searchsorted(hits.hashes, hashes, "right") - starts
    places = np.repeat(np.arange(len(hashes)), lengths)
    offsets = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return places, hits.questions[starts[places] + offsets]


def _coverage(items: QuestionArrays, runs: _Runs, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each item's words that lie in one of the chosen runs."""
    edges = np.zeros(len(items.ids) + 1, dtype=np.int64)
    starts = items.bounds[runs.items[chosen]] + runs.starts[chosen]
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + RUN_WORDS, -1)
    covered = np.concatenate([[0], np.cumsum(np.cumsum(edges[:-1]) > 0)])
    sizes = np.diff(items.bounds)
    num_covered = covered[items.bounds[1:]] - covered[items.bounds[:-1]]
    return np.asarray(num_covered / np.maximum(sizes, 1), dtype=np.float64)


def _most_quoting(runs: _Runs, is_chosen: NDArray[np.bool_]) -> dict[int, int]:
    """Return for the chosen items the training question that has most of their runs, the first of several."""
    places, questions = runs.holders
    items = runs.items[places]
    is_wanted = is_chosen[items]
    pairs, counts = np.unique(np.stack([items[is_wanted], questions[is_wanted]]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], counts))
    return dict(zip(pairs[0][order].tolist(), pairs[1][order].tolist(), strict=True))
