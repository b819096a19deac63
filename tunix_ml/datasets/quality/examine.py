"""All that is to be known of the quality of some traces, in one pass over them and a few over their words."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.quality import (
    ContaminationSummary,
    DuplicatesSummary,
    Finding,
    QualityConfig,
    QualityReport,
    Statistics,
)
from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Split
from tunix_ml.datasets.evaluation_set import EvaluationSet
from tunix_ml.datasets.quality import consistency, sensitive
from tunix_ml.datasets.quality.drift import find_drift
from tunix_ml.datasets.quality.places import Places
from tunix_ml.datasets.quality.questions import Questions, text_key
from tunix_ml.datasets.quality.statistics import LENGTH_OUTLIER, Tally
from tunix_ml.datasets.quality.words import Corpus, Vocabulary, words
from tunix_ml.traces.answers import normalise_text
from tunix_ml.traces.prompts import normalise_prompt

FINDING_CHECKS = (*consistency.CHECKS, LENGTH_OUTLIER, *sensitive.KINDS)
_TRAIN: Split = "train"
_HELD_OUT: tuple[Split, ...] = ("validation", "test")

Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The traces that are examined, what they are held against, and how."""

    dataset_version: str
    dataset_digest: str
    rows: Iterable[DatasetTrace]
    evaluation_sets: tuple[EvaluationSet, ...] = ()
    compared_with: str | None = None
    earlier: Statistics | None = None
    config: QualityConfig = field(default_factory=QualityConfig)


class Quality(NamedTuple):
    """The report, and the rows of its three tables."""

    report: QualityReport
    duplicates: list[Row]
    contamination: list[Row]
    findings: list[Finding]


def examine(subject: Subject) -> Quality:
    """Return the quality of a dataset version's traces; each is read once."""
    seen = _Seen()
    for row in subject.rows:
        seen.add(row)
    duplicates, repeated = _duplicates(seen, subject.config)
    compared = list(_contamination(seen, subject))
    findings = [*seen.findings, *seen.outliers()]
    found = Counter(check for _, check in {(finding.trace_id, finding.check) for finding in findings})
    now = seen.tally.statistics()
    report = QualityReport(
        dataset_version=subject.dataset_version,
        dataset_digest=subject.dataset_digest,
        num_traces=len(seen.places),
        duplicates=repeated,
        contamination=tuple(summary for summary, _ in compared),
        findings={check: found[check] for check in FINDING_CHECKS},
        num_claims=seen.num_claims,
        statistics=now,
        compared_with=subject.compared_with,
        drift=find_drift(now, subject.earlier) if subject.earlier else (),
        config=subject.config,
    )
    return Quality(report, duplicates, [row for _, rows in compared for row in rows], findings)


class _Seen:
    """What is kept of the traces that were read: not their texts."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.questions = {split: Questions(self.vocabulary) for split in SPLITS}
        self.members: dict[Split, array[int]] = {split: array("Q") for split in SPLITS}
        self.places = Places()
        self.texts = Corpus()
        self.keys = array("Q")
        self.tally = Tally()
        self.findings: list[Finding] = []
        self.num_claims = 0
        self._generators: dict[str, int] = {}

    def add(self, row: DatasetTrace) -> None:
        from tunix_ml.datasets.quality.duplicates import padded  # noqa: PLC0415 - it loads NumPy

        trace = row.trace
        question = self.questions[row.split].add(trace.prompt, generator=self._generator(row))
        self.members[row.split].append(len(self.places))
        self.texts.add(padded(self.vocabulary.ids([*question, *words(trace.final_answer)])))
        self.keys.append(text_key(f"{normalise_prompt(trace.prompt)}\0{normalise_text(trace.final_answer)}"))
        self.places.add(row)
        self.tally.add(trace)
        self._check(row)

    def outliers(self) -> Iterator[Finding]:
        for outlier in self.tally.outliers():
            place = self.places[outlier.place]
            yield Finding(place.trace_id, place.source, place.source_line, LENGTH_OUTLIER, outlier.detail)

    def _check(self, row: DatasetTrace) -> None:
        consistent = consistency.check_consistency(row.trace)
        self.num_claims += consistent.num_claims
        found = [(problem.check, problem.detail) for problem in consistent.found]
        found += [
            (hit.kind, f"{name}, characters {hit.start} to {hit.end}")
            for name, hit in sensitive.sensitive_in_trace(row.trace)
        ]
        self.findings += [
            Finding(row.trace_id, row.source, row.source_line, check, detail) for check, detail in found
        ]

    def _generator(self, row: DatasetTrace) -> int:
        name = (row.trace.meta or {}).get("generator")
        return self._generators.setdefault(name, len(self._generators) + 1) if isinstance(name, str) else 0


def _duplicates(seen: _Seen, config: QualityConfig) -> tuple[list[Row], DuplicatesSummary]:
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    from tunix_ml.datasets.quality.duplicates import find_duplicates, num_clusters  # noqa: PLC0415

    threshold = config.near_duplicate_similarity
    found = find_duplicates(seen.texts, np.asarray(seen.keys, dtype=np.uint64), threshold=threshold)
    rows = []
    for pair in found.found:
        later, earlier = seen.places[pair.later], seen.places[pair.earlier]
        other = {f"other_{name}": value for name, value in earlier._asdict().items()}
        rows.append({"kind": pair.kind, "similarity": pair.similarity, **later._asdict(), **other})
    kinds = Counter(pair.kind for pair in found.found)
    summary = DuplicatesSummary(
        method=found.method,
        threshold=threshold,
        num_exact=kinds["exact"],
        num_near=kinds["near"],
        num_clusters=num_clusters(found.found),
        num_across_splits=sum(row["split"] != row["other_split"] for row in rows),
        num_cut=found.num_cut,
        num_planted=found.num_planted,
        recall=found.num_recalled / found.num_planted if found.num_planted else None,
    )
    return rows, summary


class _Set(NamedTuple):
    """Items to be looked for among the training questions."""

    name: str
    digest: str
    item_ids: list[str]
    questions: Questions


def _contamination(seen: _Seen, subject: Subject) -> Iterator[tuple[ContaminationSummary, list[Row]]]:
    from tunix_ml.datasets.quality.overlap import find_overlaps  # noqa: PLC0415 - it loads NumPy

    sets = [*_held_out(seen, subject), *(_published(seen, one) for one in subject.evaluation_sets)]
    training, masks = seen.questions[_TRAIN].arrays(), seen.vocabulary.masks()
    for items in sets:
        overlaps = find_overlaps(items.questions.arrays(), training, masks=masks)
        rows = []
        for overlap in overlaps.found:
            item_id = items.item_ids[overlap.item]
            place = seen.places[seen.members[_TRAIN][overlap.question]]
            is_accepted = f"{items.name}/{item_id}" in subject.config.accepted_items
            rows.append(
                {
                    "evaluation_set": items.name,
                    "item_id": item_id,
                    "kind": overlap.kind,
                    "coverage": overlap.coverage,
                    "is_accepted": is_accepted and overlap.kind != "masked",
                    "trace_id": place.trace_id,
                    "source": place.source,
                    "source_line": place.source_line,
                }
            )
        yield _summary(items, rows, num_uncheckable=len(overlaps.uncheckable)), rows


def _summary(items: _Set, rows: list[Row], *, num_uncheckable: int) -> ContaminationSummary:
    kinds = Counter(row["kind"] for row in rows)
    return ContaminationSummary(
        evaluation_set=items.name,
        items_digest=items.digest,
        num_items=len(items.item_ids),
        num_exact=kinds["exact"],
        num_ngram=kinds["ngram"],
        num_masked=kinds["masked"],
        num_accepted=sum(row["is_accepted"] for row in rows),
        num_uncheckable=num_uncheckable,
    )


def _held_out(seen: _Seen, subject: Subject) -> Iterator[_Set]:
    for split in _HELD_OUT:
        if seen.members[split]:
            ids = [seen.places[place].trace_id for place in seen.members[split]]
            name = evaluation_set_name(subject.dataset_version, split)
            yield _Set(name, subject.dataset_digest, ids, seen.questions[split])


def _published(seen: _Seen, evaluation_set: EvaluationSet) -> _Set:
    questions = Questions(seen.vocabulary)
    for item in evaluation_set.items:
        questions.add(item.prompt)
    ids = [item.item_id for item in evaluation_set.items]
    return _Set(evaluation_set.name, evaluation_set.source_digest, ids, questions)
