"""Facts about a dataset version."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from asset_checks import expectations
from asset_checks.outcome import Check, Outcome, Problems, Subject, all_hold
from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.manifest import Counts
from tunix_ml.contracts.trace import SPLITS, TRACES_SCHEMA, DatasetTrace
from tunix_ml.datasets.contamination import prompts_in_several_splits, read_questions
from tunix_ml.datasets.identities import ID_BYTES, dataset_digest, pieces, row_digests, trace_ids
from tunix_ml.datasets.read import Dataset
from tunix_ml.parquet import count_rows, read_batches, read_schema

_ROWS_AT_ONCE = 2_000


def rows_keep_the_trace_contract(subject: Subject) -> Outcome:
    """Every row keeps the bounds of the trace contract; ids are unique; no required value is null."""
    schema = read_schema(subject.snapshot.file("traces.parquet"))
    if not schema.equals(TRACES_SCHEMA.arrow()):
        return Outcome(False, f"columns are {schema.names}, not {TRACES_SCHEMA.names}")
    frame = expectations.flatten_traces(Dataset(subject.snapshot).batches())
    return expectations.validate(frame, expectations.trace_suite(TRACES_SCHEMA), subject="traces")


def digest_matches_content(subject: Subject) -> Outcome:
    """The files are as published, and the dataset digest and trace ids computed anew from the rows agree."""
    dataset = Dataset(subject.snapshot)
    problems = Problems(subject.snapshot.verify())
    if not problems.num_found:
        misplaced = Problems()
        digest = _digest_anew(dataset, misplaced)
        if len({digest, dataset.manifest.dataset_digest, subject.snapshot.digest}) > 1:
            problems.add(f"rows have digest {digest}, the manifest says {dataset.manifest.dataset_digest}")
        problems.include(misplaced)
    return all_hold(problems, subject="content", facts={"digest": subject.snapshot.digest})


def _digest_anew(dataset: Dataset, problems: Problems) -> str:
    """Return the digest of the rows; a row under another trace's id is a problem."""
    digests = bytearray()
    for rows in _by_some(dataset.stream()):
        canonical = [canonical_json(row.trace.record()) for row in rows]
        digests += row_digests(canonical, [row.split for row in rows])
        for row, found in zip(rows, pieces(trace_ids(canonical), ID_BYTES), strict=True):
            if found.hex() != row.trace_id:
                problems.add(f"row {row.trace_id} holds trace {found.hex()}")
    return dataset_digest(digests)


def _by_some(rows: Iterable[DatasetTrace]) -> Iterator[list[DatasetTrace]]:
    waiting = iter(rows)
    while some := list(islice(waiting, _ROWS_AT_ONCE)):
        yield some


def counts_agree(subject: Subject) -> Outcome:
    """Manifest, tables and splits count the same: read = kept + rejected + filtered + duplicates."""
    dataset = Dataset(subject.snapshot)
    manifest, found = dataset.manifest, _count_rows(dataset)
    by_split: Counter[str] = Counter()
    for table in dataset.batches("split"):
        by_split.update(table["split"].to_pylist())
    listed = _ids(dataset) if manifest.trace_ids else []
    pairs = {
        "trace_count": (manifest.trace_count, found.kept),
        "trace_ids": (list(manifest.trace_ids), listed),
        "splits": (manifest.splits, {split: by_split[split] for split in SPLITS}),
        "reject_count": (manifest.reject_count, found.rejected + found.duplicates),
        "duplicate_count": (manifest.duplicate_count, found.duplicates),
        "filtered_count": (manifest.filtered_count, found.filtered),
        "read_count": (manifest.read_count, found.read),
        "sources": (sum(source.num_records for source in manifest.sources), manifest.read_count),
    }
    problems = [
        f"{name}: manifest says {stated}, found {counted}" if name != "trace_ids" else "trace_ids differ"
        for name, (stated, counted) in pairs.items()
        if stated != counted
    ]
    facts = {
        "num_rows": found.kept,
        **{f"num_{name}": getattr(found, name) for name in ("rejected", "filtered", "duplicates")},
        **{f"num_{split}": by_split[split] for split in SPLITS},
    }
    return all_hold([*problems, *manifest.counts().problems()], subject="counts", facts=facts)


def _ids(dataset: Dataset) -> list[str]:
    return [trace_id for table in dataset.batches("trace_id") for trace_id in table["trace_id"].to_pylist()]


def _count_rows(dataset: Dataset) -> Counts:
    """Return how many rows each table of a dataset version has; all of them together were read."""
    snapshot, codes = dataset.snapshot, Counter[str]()
    for table in read_batches(snapshot.file("rejects.parquet"), columns=["code"]):
        codes.update(table["code"].to_pylist())
    filtered = _FILTERED in snapshot.record.files and count_rows(snapshot.file(_FILTERED))
    duplicates = codes["duplicate_trace"]
    kept, rejected = count_rows(snapshot.file("traces.parquet")), codes.total() - duplicates
    return Counts(kept + rejected + int(filtered) + duplicates, kept, rejected, int(filtered), duplicates)


_FILTERED = "filtered.parquet"


def every_split_has_traces(subject: Subject) -> Outcome:
    """Train, validation and test hold at least one trace each."""
    counts = Dataset(subject.snapshot).manifest.splits
    problems = [f"{split} is empty" for split in SPLITS if not counts.get(split)]
    return all_hold(problems, subject="splits", facts={f"num_{k}": v for k, v in counts.items()})


def splits_share_no_prompt(subject: Subject) -> Outcome:
    """No question stands in two splits, compared without case, spacing and Unicode form."""
    dataset = Dataset(subject.snapshot)
    shared = prompts_in_several_splits(lambda: read_questions(dataset))
    problems = [f"{prompt[:80]!r} is in {sorted(splits)}" for prompt, splits in sorted(shared.items())]
    num_prompts = count_rows(subject.snapshot.file("traces.parquet"))
    return all_hold(problems, subject="splits", facts={"num_prompts": num_prompts})


def generated_steps_recompute(subject: Subject) -> Outcome:
    """Every answer, step and claim of a generated trace comes out the same when it is computed again."""
    from tunix_ml.traces.verification import verify_generated

    dataset = Dataset(subject.snapshot)
    if dataset.manifest.generator_version is None:
        return Outcome(True, "not a generated dataset, see arithmetic_claims_hold", {"num_checked": 0})
    problems, num_checked = Problems(), 0
    for row in dataset.stream():
        num_checked += 1
        problems.extend(f"trace {row.trace_id}: {problem}" for problem in verify_generated(row.trace))
    return all_hold(problems, subject="generated traces", facts={"num_checked": num_checked})


def arithmetic_claims_hold(subject: Subject) -> Outcome:
    """Each `expression = value` in a step is true when computed exactly; foreign data may round."""
    from tunix_ml.traces.claims import find_claims

    problems, num_claims, num_traces = Problems(), 0, 0
    for table in Dataset(subject.snapshot).batches("trace_id", "steps"):
        num_traces += table.num_rows
        for row in table.to_pylist():
            claims = [claim for step in row["steps"] for claim in find_claims(step["content"])]
            num_claims += len(claims)
            problems.extend(
                f"trace {row['trace_id']}: {claim.text!r}, computed {claim.computed}"
                for claim in claims
                if not claim.is_true
            )
    facts = {"num_claims": num_claims, "num_traces": num_traces}
    return all_hold(problems, subject="claims", facts=facts, severity="WARN")


def few_records_are_rejected(subject: Subject) -> Outcome:
    """No record was rejected; where the recipe allows some, this says how many and why."""
    dataset = Dataset(subject.snapshot)
    codes = dataset.manifest.stats["reject_codes"]
    facts = {
        "num_read": dataset.manifest.read_count,
        "num_rejected": dataset.manifest.reject_count,
        "reject_rate": dataset.manifest.reject_count / dataset.manifest.read_count,
    }
    problems = [f"{count} {code}" for code, count in codes.items()]
    return all_hold(problems, subject="rejects", facts=facts, severity="WARN")


def no_known_contamination(subject: Subject) -> Outcome:
    """No report on the quality of this very content has found an evaluation item in its train split.

    Where no report is published there is none to heed: materialize dataset_quality to have one.
    """
    from tunix_ml.datasets.quality.publish import quality_of
    from tunix_ml.datasets.quality.summary import contaminated

    report = quality_of(subject.store, subject.dataset_version, dataset_digest=subject.snapshot.digest)
    if report is None:
        return Outcome(True, "not judged yet, see dataset_quality", {"num_sets": 0})
    problems = [
        f"{num_items} items of {one.evaluation_set} stand in the train split"
        for one in report.contamination
        if (num_items := contaminated(one))
    ]
    return all_hold(problems, subject="questions", facts={"num_sets": len(report.contamination)})


NO_KNOWN_CONTAMINATION = Check("dataset", no_known_contamination)

CHECKS = (
    Check("dataset", rows_keep_the_trace_contract),
    Check("dataset", digest_matches_content),
    Check("dataset", counts_agree),
    Check("dataset", every_split_has_traces),
    Check("dataset", splits_share_no_prompt),
    NO_KNOWN_CONTAMINATION,
    Check("dataset", generated_steps_recompute),
    Check("dataset", arithmetic_claims_hold, blocking=False),
    Check("dataset", few_records_are_rejected, blocking=False),
)
