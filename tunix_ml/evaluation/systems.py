"""Predictions made elsewhere: read by a recipe, kept as a run of their own, and scored as our own are."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.canonical import canonical_json, file_sha256, record_digest
from tunix_ml.contracts.evaluation import ItemScore
from tunix_ml.contracts.metrics import JUDGED
from tunix_ml.contracts.prediction import ForeignPrediction
from tunix_ml.contracts.recipe import FieldMapping
from tunix_ml.contracts.system import SystemIdentity, SystemMapping, SystemsRecipe
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.durable import make_directory, write_atomically
from tunix_ml.evaluation.report import Evaluation, publish_scores, score_and_publish
from tunix_ml.evaluation.score import JudgedScore, score_verdicts, scorer_digests
from tunix_ml.evaluation.system_catalog import SystemsEntry, load_systems, systems_recipes
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.mapping import Record, is_meant, look_up, spelled, text_of
from tunix_ml.traces.prompts import normalise_prompt
from tunix_ml.traces.records import read_records
from tunix_ml.traces.sources import VariableNotSet, expand

IDENTITY_FILE = "system.json"
RECIPES_FILE = "recipes.json"
_MOST_NAMED = 10


class Answer(NamedTuple):
    """What a file has of one system about one item: a text, a verdict, or both."""

    item_id: str
    text: str | None
    verdict: JudgedScore | None


def answers_slot(run: RunDirectory, evaluation_set: str) -> Slot:
    """Return where the answers of a foreign system to an evaluation set are published."""
    return run.slot(f"answers/{evaluation_set}")


class BroughtIn(NamedTuple):
    """What came of the recipes of the catalog: reports by `<run_id>/<slot>`, and why others are not there."""

    reports: dict[str, Snapshot]
    unavailable: dict[str, str]
    refused: dict[str, str]


def bring_in_all(store: Store, *, report: Callable[[str], None]) -> BroughtIn:
    """Bring in what every recipe of the catalog reads; none stops the others.

    A recipe is unavailable if the environment does not name its file's folder, and refused if anything else
    is wrong with it.
    """
    found = BroughtIn({}, {}, {})
    for path in systems_recipes(store.home):
        try:
            for snapshot in bring_in(store, load_systems(path), report=report):
                found.reports[f"{snapshot.record.key}/{snapshot.record.table}"] = snapshot
        except VariableNotSet as error:
            found.unavailable[path.stem] = str(error)
        except TunixError as error:
            found.refused[path.stem] = str(error)
    with recipes_slot(store).publish(code_version=source_digest("evaluation/systems")) as draft:
        listed = {"unavailable": found.unavailable, "refused": found.refused}
        (draft.path / RECIPES_FILE).write_bytes(canonical_json(listed) + b"\n")
    return found


def recipes_slot(store: Store) -> Slot:
    """Return where it stands which recipes could not be read at the last time, and why."""
    return store.slot("external_systems", "all")


def superseded(store: Store, run: RunDirectory) -> str | None:
    """Return why a foreign system's run is no longer what its recipe says, None if it is.

    The recipe of the catalog may be gone, or have brought in another run since, from other bytes or by
    another rule.
    """
    identity = SystemIdentity.read(run.path / IDENTITY_FILE)
    if identity.recipe not in {path.stem for path in systems_recipes(store.home)}:
        return "recipe"
    current = _current_slot(store, identity.recipe, identity.system).pointer()
    is_current = current is not None and current.content_digest == identity.digest()
    return None if is_current else "recipe or source file"


def _current_slot(store: Store, recipe: str, system: str) -> Slot:
    return store.slot("external_runs", f"{recipe}.{system}")


def external_slots(store: Store) -> dict[str, Slot]:
    """Return the slots of all reports on foreign systems, by `<run_id>/<slot>`."""
    runs = [store.run(path.parent.name) for path in sorted(store.home.glob(f"runs/*/{IDENTITY_FILE}"))]
    return {f"{run.run_id}/{slot.table}": slot for run in runs for slot in run.slots("eval")}


def bring_in(store: Store, entry: SystemsEntry, *, report: Callable[[str], None]) -> list[Snapshot]:
    """Publish the predictions of every system of a recipe, score them, and return the reports.

    A system that was brought in before, from the same bytes by the same recipe, is the same run.

    Raises:
        ContractError: a record does not fit the recipe, or belongs to no item of the evaluation set; up to
            ten are named.
        NotPublished: the evaluation set is not.
        SourceError: the file cannot be read.
    """
    recipe, path = entry.recipe, source_path(entry)
    asked = load_evaluation_set(store, recipe.evaluation_set)
    answers = _read(path, recipe, asked)
    reports: list[Snapshot] = []
    for name in recipe.systems:
        run = _claim_run(store, entry, name, source_sha256=file_sha256(path))
        report(f"{run.run_id}: {len(answers[name])} answers to {len(asked.items)} items of {asked.name}")
        reports += _publish(run, entry, name, asked, answers[name])
    return reports


def source_path(entry: SystemsEntry) -> Path:
    """Return the file that a recipe reads.

    Raises:
        SourceError: a variable of the path is not set, or there is no such file.
    """
    path = entry.path.parent / expand(entry.recipe.path)
    if not path.is_file():
        raise SourceError(f"{entry.path}: path {entry.recipe.path!r} leads to {path}, which is no file")
    return path


def _read(path: Path, recipe: SystemsRecipe, asked: EvaluationSet) -> dict[str, list[Answer]]:
    """Return the answers of each system, in the order of the file."""
    item_ids = _item_ids(recipe, asked)
    found: dict[str, list[Answer]] = {name: [] for name in recipe.systems}
    problems: list[str] = []
    for _, place, record in read_records(path):
        try:
            if isinstance(record, LineError):
                raise record
            for name, system in recipe.systems.items():
                if is_meant(record, system.where):
                    found[name].append(_answer(record, recipe, system, item_ids))
        except LineError as error:
            problems.append(f"{place}: {error.message}")
    problems += [] if problems else _uneven(found, recipe)
    if problems:
        more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        raise ContractError(f"{path}: {'; '.join(problems[:_MOST_NAMED])}{more}")
    return found


def _uneven(found: dict[str, list[Answer]], recipe: SystemsRecipe) -> list[str]:
    """Return what is wrong with the records of whole systems: there is none, or some items have more."""
    problems = []
    for name, answers in found.items():
        counts = Counter(answer.item_id for answer in answers)
        most = max(counts.values(), default=0)
        if not answers:
            where = recipe.systems[name].where
            problems.append(f"system {name!r} has no record" + (f" where {where}" if where else ""))
        elif min(counts.values()) < most:
            repeated = sorted(item_id for item_id, count in counts.items() if count == most)[:3]
            problems.append(
                f"system {name!r} has {most} records of items such as {repeated} and"
                f" {min(counts.values())} of others, expected as many samples of each"
            )
    return problems


def _item_ids(recipe: SystemsRecipe, asked: EvaluationSet) -> dict[str, str]:
    """Return the item that a record's id, or its question, means."""
    if recipe.item_id is not None:
        return {item.item_id: item.item_id for item in asked.items}
    found: dict[str, list[str]] = defaultdict(list)
    for item in asked.items:
        found[normalise_prompt(item.prompt)].append(item.item_id)
    return {question: ids[0] for question, ids in found.items() if len(ids) == 1}


def _answer(record: Record, recipe: SystemsRecipe, system: SystemMapping, item_ids: dict[str, str]) -> Answer:
    text = None if system.text is None else _text(record, system.text)
    verdict = None if system.verdict is None else _verdict(look_up(record, system.verdict), recipe)
    return Answer(_item_id(record, recipe, item_ids), text, verdict)


def _text(record: Record, mapping: FieldMapping) -> str:
    """Return what a system wrote; null is a text without anything in it."""
    if mapping.field is not None and look_up(record, mapping.field) is None:
        return ""
    return text_of(record, mapping, name="text")


def _item_id(record: Record, recipe: SystemsRecipe, item_ids: dict[str, str]) -> str:
    if recipe.item_id is not None:
        key = name = text_of(record, recipe.item_id, name="item_id")
    else:
        assert recipe.question is not None  # noqa: S101 - the recipe has one of the two
        name = text_of(record, recipe.question, name="question")
        key = normalise_prompt(name)
    if key not in item_ids:
        raise LineError("mapping", f"{name!r:.80} is no one item of {recipe.evaluation_set}")
    return item_ids[key]


def _verdict(value: Any, recipe: SystemsRecipe) -> JudgedScore:
    """Return the score that a verdict stands for; one that stands for none is the judge's fault."""
    label = spelled(value)
    if label in recipe.verdicts:
        return JudgedScore(recipe.verdicts[label], label)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return JudgedScore(float(value), label)
    return JudgedScore(None, label)


def _claim_run(store: Store, entry: SystemsEntry, system: str, *, source_sha256: str) -> RunDirectory:
    recipe = entry.recipe
    mapping = {"system": recipe.systems[system].model_dump(mode="json")}
    shared = recipe.model_dump(mode="json", exclude={"systems", "description", "path"})
    identity = SystemIdentity(
        recipe=entry.name,
        system=system,
        description=recipe.description,
        license=recipe.license,
        evaluation_set=recipe.evaluation_set,
        source_sha256=source_sha256,
        recipe_digest=record_digest(shared | mapping),
        answer=recipe.answer,
        judge=recipe.judge,
    )
    run = store.run(identity.run_id())
    make_directory(run.path)
    write_atomically(run.path / IDENTITY_FILE, identity.to_json())
    with _current_slot(store, entry.name, system).publish(content_digest=identity.digest()) as draft:
        (draft.path / IDENTITY_FILE).write_bytes(identity.to_json())
    return run


def _publish(
    run: RunDirectory, entry: SystemsEntry, name: str, asked: EvaluationSet, answers: Sequence[Answer]
) -> Iterator[Snapshot]:
    """Publish the answers of a system and a report for each way they are scored: by text, by verdict."""
    recipe, system = entry.recipe, entry.recipe.systems[name]
    samples = _numbered(answers)
    texts = _publish_texts(run, asked, samples)
    evaluation = Evaluation(
        run=run,
        dataset_version=None,
        recipe=name,
        asked=asked,
        inputs={"evaluation_set": asked.source_digest, "answers": texts.digest},
        rule=None,
        num_samples=max((index for index, _ in samples), default=0) + 1,
    )
    if system.text is not None:
        by_text = dataclasses.replace(evaluation, rule=recipe.answer, scorers=scorer_digests())
        yield score_and_publish(by_text, [_prediction(index, answer) for index, answer in samples])
    if system.verdict is not None:
        by_verdict = dataclasses.replace(evaluation, scorer=f"judge:{recipe.judge}", primary_metric=JUDGED)
        yield publish_scores(by_verdict, _verdict_scores(by_verdict, samples), None)


def _verdict_scores(evaluation: Evaluation, samples: Sequence[tuple[int, Answer]]) -> list[ItemScore]:
    return score_verdicts(
        evaluation.asked.items,
        {(answer.item_id, index): answer.verdict for index, answer in samples if answer.verdict},
        texts={(answer.item_id, index): answer.text for index, answer in samples},
        metric=evaluation.primary_metric,
        num_samples=evaluation.num_samples,
    )


def _numbered(answers: Sequence[Answer]) -> list[tuple[int, Answer]]:
    """Return the answers by item, each with its number among those to the same item."""
    by_item: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_item[answer.item_id].append(answer)
    return [(index, answer) for item in sorted(by_item) for index, answer in enumerate(by_item[item])]


def _publish_texts(
    run: RunDirectory, asked: EvaluationSet, samples: Sequence[tuple[int, Answer]]
) -> Snapshot:
    rows = [_prediction(index, answer) for index, answer in samples if answer.text is not None]
    verdicts = [[answer.item_id, index, answer.verdict] for index, answer in samples]
    parents = {"evaluation_set": asked.source_digest}
    digest = record_digest([msgspec.to_builtins(rows), verdicts, parents])
    slot = answers_slot(run, asked.name)
    with slot.publish(
        content_digest=digest, parents=parents, code_version=source_digest("evaluation/systems")
    ) as draft:
        (draft.path / "answers.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(rows))
        (draft.path / "verdicts.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(verdicts))
    return draft.snapshot


def _prediction(index: int, answer: Answer) -> ForeignPrediction:
    return ForeignPrediction(answer.item_id, index, answer.text or "")
