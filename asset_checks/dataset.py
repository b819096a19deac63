"""Facts about a dataset version."""

from asset_checks import expectations
from asset_checks.outcome import Check, Outcome, Subject, all_hold
from tunix_ml.contracts.canonical import set_digest
from tunix_ml.contracts.trace import SPLITS, TRACES_SCHEMA
from tunix_ml.datasets.contamination import prompts_in_several_splits
from tunix_ml.datasets.read import Dataset


def rows_keep_the_trace_contract(subject: Subject) -> Outcome:
    """Every row keeps the bounds of the trace contract; ids are unique; no required value is null."""
    table = Dataset(subject.snapshot).table
    if not table.schema.equals(TRACES_SCHEMA.arrow()):
        return Outcome(False, f"columns are {table.schema.names}, not {TRACES_SCHEMA.names}")
    suite = expectations.trace_suite(TRACES_SCHEMA)
    return expectations.validate(expectations.flatten_traces(table), suite, subject="traces")


def digest_matches_content(subject: Subject) -> Outcome:
    """The files are as published, and the dataset digest and trace ids computed anew from the rows agree."""
    dataset = Dataset(subject.snapshot)
    problems = subject.snapshot.verify()
    if not problems:
        digest = set_digest(row.row_digest() for row in dataset.rows)
        if len({digest, dataset.manifest.dataset_digest, subject.snapshot.digest}) > 1:
            problems.append(f"rows have digest {digest}, the manifest says {dataset.manifest.dataset_digest}")
        problems += [
            f"row {row.trace_id} holds trace {found}"
            for row in dataset.rows
            if (found := row.trace.trace_id()) != row.trace_id
        ]
    return all_hold(problems, subject="content", facts={"digest": subject.snapshot.digest})


def counts_agree(subject: Subject) -> Outcome:
    """Manifest, table, splits and rejects count the same: read = kept + rejected."""
    dataset = Dataset(subject.snapshot)
    manifest, num_rows, num_rejects = dataset.manifest, dataset.table.num_rows, dataset.rejects.num_rows
    by_split = {split: len(dataset.split(split)) for split in SPLITS}
    pairs = {
        "trace_count": (manifest.trace_count, num_rows),
        "trace_ids": (list(manifest.trace_ids), dataset.table.column("trace_id").to_pylist()),
        "splits": (manifest.splits, by_split),
        "reject_count": (manifest.reject_count, num_rejects),
        "read_count": (manifest.read_count, num_rows + num_rejects),
        "sources": (sum(source.num_records for source in manifest.sources), manifest.read_count),
    }
    problems = [
        f"{name}: manifest says {stated}, found {found}" if name != "trace_ids" else "trace_ids differ"
        for name, (stated, found) in pairs.items()
        if stated != found
    ]
    facts = {
        "num_rows": num_rows,
        "num_rejected": num_rejects,
        **{f"num_{k}": v for k, v in by_split.items()},
    }
    return all_hold(problems, subject="counts", facts=facts)


def every_split_has_traces(subject: Subject) -> Outcome:
    """Train, validation and test hold at least one trace each."""
    counts = Dataset(subject.snapshot).manifest.splits
    problems = [f"{split} is empty" for split in SPLITS if not counts.get(split)]
    return all_hold(problems, subject="splits", facts={f"num_{k}": v for k, v in counts.items()})


def splits_share_no_prompt(subject: Subject) -> Outcome:
    """No question stands in two splits, compared without case, spacing and Unicode form."""
    rows = Dataset(subject.snapshot).rows
    shared = prompts_in_several_splits(rows)
    problems = [f"{prompt[:80]!r} is in {sorted(splits)}" for prompt, splits in sorted(shared.items())]
    return all_hold(problems, subject="splits", facts={"num_prompts": len(rows)})


def generated_steps_recompute(subject: Subject) -> Outcome:
    """Every answer, step and claim of a generated trace comes out the same when it is computed again."""
    from tunix_ml.traces.verification import verify_generated

    dataset = Dataset(subject.snapshot)
    if dataset.manifest.generator_version is None:
        return Outcome(True, "not a generated dataset, see arithmetic_claims_hold", {"num_checked": 0})
    problems = [
        f"trace {row.trace_id}: {problem}" for row in dataset.rows for problem in verify_generated(row.trace)
    ]
    return all_hold(problems, subject="generated traces", facts={"num_checked": len(dataset.rows)})


def arithmetic_claims_hold(subject: Subject) -> Outcome:
    """Each `expression = value` in a step is true when computed exactly; foreign data may round."""
    from tunix_ml.traces.claims import find_claims

    rows = Dataset(subject.snapshot).rows
    claims = [
        (row.trace_id, claim)
        for row in rows
        for step in row.trace.steps
        for claim in find_claims(step.content)
    ]
    problems = [
        f"trace {trace_id}: {claim.text!r}, computed {claim.computed}"
        for trace_id, claim in claims
        if not claim.is_true
    ]
    facts = {"num_claims": len(claims), "num_traces": len(rows)}
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


CHECKS = (
    Check("dataset", rows_keep_the_trace_contract),
    Check("dataset", digest_matches_content),
    Check("dataset", counts_agree),
    Check("dataset", every_split_has_traces),
    Check("dataset", splits_share_no_prompt),
    Check("dataset", generated_steps_recompute),
    Check("dataset", arithmetic_claims_hold, blocking=False),
    Check("dataset", few_records_are_rejected, blocking=False),
)
