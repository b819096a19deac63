"""Facts about the exported text."""

from collections import Counter

from asset_checks.outcome import Check, Outcome, Subject, all_hold
from tunix_ml.contracts.export import EXPORT_FORMATS, ExportManifest
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets.read import read_dataset
from tunix_ml.evaluation.answers.extract import extract_answer, is_well_formed
from tunix_ml.exports.render import read_export
from tunix_ml.exports.templates import template
from tunix_ml.traces.answers import normalise_text


def every_trace_is_exported_once(subject: Subject) -> Outcome:
    """Each format holds every trace of the dataset exactly once, in the file of its split."""
    manifest = ExportManifest.read(subject.snapshot.file("export.json"))
    dataset = read_dataset(subject.store, subject.dataset_version, digest=manifest.dataset_digest)
    problems: list[str] = []
    for split in SPLITS:
        expected = Counter(row.trace_id for row in dataset.split(split))
        for export_format in EXPORT_FORMATS:
            found = Counter(record["id"] for record in read_export(subject.snapshot, export_format, split))
            if found != expected:
                missing, extra = expected - found, found - expected
                problems.append(f"{export_format}.{split}: {len(missing)} missing, {len(extra)} too many")
    return all_hold(problems, subject="export", facts={"num_traces": len(dataset.rows)})


def completions_hold_the_answer(subject: Subject) -> Outcome:
    """Each completion is well-formed text from which the scorer extracts the trace's own answer."""
    manifest = ExportManifest.read(subject.snapshot.file("export.json"))
    chosen = template(manifest.template)
    dataset = read_dataset(subject.store, subject.dataset_version, digest=manifest.dataset_digest)
    answers = {row.trace_id: row.trace.final_answer for row in dataset.rows}
    problems = []
    for record in _examples(subject):
        found, expected = extract_answer(record["response"], chosen).answer, answers.get(record["id"])
        if found is None or expected is None or normalise_text(found) != normalise_text(expected):
            problems.append(f"{record['id']}: extracted {found!r:.60}, the answer is {expected!r:.60}")
        elif not is_well_formed(record["response"], chosen):
            problems.append(f"{record['id']}: {record['response']!r:.120} is not well-formed")
    return all_hold(problems, subject="completions", facts={"num_completions": len(answers)})


def prompts_hold_no_answer(subject: Subject) -> Outcome:
    """No prompt holds the written-out answer or the completion that is to be learned."""
    manifest = ExportManifest.read(subject.snapshot.file("export.json"))
    chosen = template(manifest.template)
    examples = _examples(subject)
    problems = [
        f"{record['id']}: the prompt holds the completion's answer"
        for record in examples
        if record["response"] in record["prompt"] or extract_answer(record["prompt"], chosen).answer
    ]
    return all_hold(problems, subject="prompts", facts={"num_prompts": len(examples)})


def _examples(subject: Subject) -> list[dict[str, str]]:
    return [record for split in SPLITS for record in read_export(subject.snapshot, "training_example", split)]


CHECKS = (
    Check("sft_export", every_trace_is_exported_once),
    Check("sft_export", completions_hold_the_answer),
    Check("sft_export", prompts_hold_no_answer),
)
