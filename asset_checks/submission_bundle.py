"""Facts about a submission bundle."""

from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.evaluation.report import eval_slot, predictions_slot
from tunix_ml.registry.bundle import BUNDLE_FILE
from tunix_ml.registry.bundle_reader import (
    content_problems,
    evidence_of,
    evidence_problems,
    file_problems,
    read_bundle,
)
from tunix_ml.registry.tarball import Contents


def bundle_is_whole(subject: Subject) -> Outcome:
    """Every file of the archive has the sha256 that SHA256SUMS lists for it; none is missing or extra."""
    contents = _contents(subject)
    facts: Facts = {"num_files": len(contents.files)}
    return all_hold(file_problems(contents), subject="bundle", facts=facts)


def evidence_has_no_null(subject: Subject) -> Outcome:
    """Run manifest, evaluation summary and environment are there, keep their contracts, and hold no null."""
    return all_hold(evidence_problems(_contents(subject)), subject="evidence")


def evidence_is_of_these_files(subject: Subject) -> Outcome:
    """The evidence is of the model and the reports in the archive, and those are as they were published."""
    contents = _contents(subject)
    if problems := evidence_problems(contents):
        return all_hold(problems, subject="evidence")
    manifest, summary, _ = evidence_of(contents)
    run, problems = subject.store.run(manifest.run_id), content_problems(contents)
    if manifest.dataset_version != subject.dataset_version:
        problems.append(f"the bundle of {subject.dataset_version} is of {manifest.dataset_version}")
    slots = {"model": (run.slot("model"), manifest.model_digest)}
    for name, asked in manifest.evaluation_sets.items():
        slots[f"predictions/{name}"] = (predictions_slot(run, name), asked.predictions_digest)
        slots[f"eval/{name}"] = (eval_slot(run, name), asked.eval_digest)
    for folder, (slot, digest) in slots.items():
        for name, file in slot.resolve(digest).record.files.items():
            member = f"{folder}/{name}"
            found = contents.files.get(member)
            if found is None or found.sha256 != file.sha256:
                problems.append(f"{member} is not the published one")
    facts: Facts = {"score": summary.score, "num_evaluation_sets": len(manifest.evaluation_sets)}
    return all_hold(problems, subject="bundle", facts=facts)


def _contents(subject: Subject) -> Contents:
    return read_bundle(subject.snapshot.file(BUNDLE_FILE))


CHECKS = (
    Check("submission_bundle", bundle_is_whole),
    Check("submission_bundle", evidence_has_no_null),
    Check("submission_bundle", evidence_is_of_these_files),
)
