"""Facts about the exported text."""

from array import array
from collections import Counter
from collections.abc import Iterator

from asset_checks.outcome import Check, Outcome, Problems, Subject, all_hold
from tunix_ml.contracts.export import EXPORT_FORMATS, ExportFormat, ExportManifest
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets.quality.questions import text_key
from tunix_ml.datasets.read import Dataset, read_dataset
from tunix_ml.evaluation.answers.extract import extract_answer, is_well_formed
from tunix_ml.exports.render import export_records
from tunix_ml.exports.templates import template
from tunix_ml.traces.answers import normalise_text


def every_trace_is_exported_once(subject: Subject) -> Outcome:
    """Each format holds every trace of the dataset exactly once, in the file of its split."""
    manifest = ExportManifest.read(subject.snapshot.file("export.json"))
    dataset = read_dataset(subject.store, subject.dataset_version, digest=manifest.dataset_digest)
    expected = _ids_by_split(dataset)
    problems: list[str] = []
    for split in SPLITS:
        for export_format in EXPORT_FORMATS:
            missing, extra = _difference(expected[split], _ids(subject, export_format, split))
            if missing or extra:
                problems.append(f"{export_format}.{split}: {missing} missing, {extra} too many")
    return all_hold(problems, subject="export", facts={"num_traces": sum(map(len, expected.values()))})


def completions_hold_the_answer(subject: Subject) -> Outcome:
    """Each completion is well-formed text from which the scorer extracts the trace's own answer."""
    manifest = ExportManifest.read(subject.snapshot.file("export.json"))
    chosen = template(manifest.template)
    dataset = read_dataset(subject.store, subject.dataset_version, digest=manifest.dataset_digest)
    answers = _answers(dataset)
    problems = Problems()
    for record in _examples(subject):
        found, expected = extract_answer(record["response"], chosen).answer, answers.get(record["id"])
        if found is None or expected is None or normalise_text(found) != normalise_text(expected):
            problems.add(f"{record['id']}: extracted {found!r:.60}, the answer is {expected!r:.60}")
        elif not is_well_formed(record["response"], chosen):
            problems.add(f"{record['id']}: {record['response']!r:.120} is not well-formed")
    return all_hold(problems, subject="completions", facts={"num_completions": len(answers)})


def prompts_hold_no_answer(subject: Subject) -> Outcome:
    """No prompt holds the written-out answer or the completion that is to be learned."""
    manifest = ExportManifest.read(subject.snapshot.file("export.json"))
    chosen = template(manifest.template)
    problems, num_prompts = Problems(), 0
    for record in _examples(subject):
        num_prompts += 1
        if record["response"] in record["prompt"] or extract_answer(record["prompt"], chosen).answer:
            problems.add(f"{record['id']}: the prompt holds the completion's answer")
    return all_hold(problems, subject="prompts", facts={"num_prompts": num_prompts})


def _examples(subject: Subject) -> Iterator[dict[str, str]]:
    for split in SPLITS:
        yield from export_records(subject.snapshot, "training_example", split)


def _answers(dataset: Dataset) -> dict[str, str]:
    """Return the answer of each trace; an answer that many have is kept once."""
    kept: dict[str, str] = {}
    return {
        trace_id: kept.setdefault(answer, answer)
        for table in dataset.batches("trace_id", "final_answer")
        for trace_id, answer in zip(
            table["trace_id"].to_pylist(), table["final_answer"].to_pylist(), strict=True
        )
    }


def _ids_by_split(dataset: Dataset) -> dict[str, "array[int]"]:
    found: dict[str, array[int]] = {split: array("Q") for split in SPLITS}
    for table in dataset.batches("trace_id", "split"):
        for trace_id, split in zip(table["trace_id"].to_pylist(), table["split"].to_pylist(), strict=True):
            found[split].append(text_key(trace_id))
    return found


def _ids(subject: Subject, export_format: ExportFormat, split: str) -> "array[int]":
    records = export_records(subject.snapshot, export_format, split)
    return array("Q", (text_key(record["id"]) for record in records))


def _difference(expected: "array[int]", found: "array[int]") -> tuple[int, int]:
    """Return how many of the expected ids are missing, and how many others were found."""
    import numpy as np

    if np.array_equal(np.sort(expected), np.sort(found)):
        return 0, 0
    wanted, given = Counter(expected), Counter(found)
    return (wanted - given).total(), (given - wanted).total()


CHECKS = (
    Check("sft_export", every_trace_is_exported_once),
    Check("sft_export", completions_hold_the_answer),
    Check("sft_export", prompts_hold_no_answer),
)
