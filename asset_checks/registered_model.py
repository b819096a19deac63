"""Facts about the model registry."""

from collections.abc import Iterator

from asset_checks.eval_report import BLOCKING
from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from asset_checks.outside import run_outside
from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.registry import ModelVersion
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.registry.evidence import damage, read_reproduction
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.registry.policy import Scope, is_sound, row_of_version
from tunix_ml.registry.record import log_problems, read_record
from tunix_ml.store import Store


def logs_are_whole(subject: Subject) -> Outcome:
    """Every event of every model is the one that was appended, and none that was published is gone."""
    heads = {name: model.head for name, model in read_record(subject.snapshot).models.items()}
    problems = log_problems(subject.store, heads=heads)
    facts: Facts = {"num_models": len(heads), "num_events": sum(head.sequence for head in heads.values())}
    return all_hold(problems, subject="events", facts=facts)


def champions_are_undamaged(subject: Subject) -> Outcome:
    """Model, predictions, report and record of each champion lie in the store as they were promoted."""
    champions = dict(_champions(subject))
    problems = [
        f"champion of {name}: {problem}"
        for name, version in champions.items()
        for problem in damage(
            subject.store,
            version.run_id,
            {**version.evidence, "model": version.version},
            scope=Scope(version.evaluation_set, version.scorer),
        )
    ]
    return all_hold(problems, subject="champions", facts={"num_champions": len(champions)})


def champions_have_valid_rows(subject: Subject) -> Outcome:
    """Each champion has a valid row on the board it was promoted on, to hold others against."""
    rows = collect_leaderboard(subject.store, required_checks=BLOCKING).rows
    champions, problems = dict(_champions(subject)), []
    for name, version in champions.items():
        scope = Scope(version.evaluation_set, version.scorer)
        row = row_of_version(rows, version.version, scope=scope)
        if row is None:
            problems.append(f"champion {version.run_id} of {name} has no row on {scope.evaluation_set}")
        elif not is_sound(row):
            problems.append(f"champion {version.run_id} of {name} is {row['status']}: {row['reason']}")
    facts: Facts = {"num_champions": len(champions)}
    return all_hold(problems, subject="champions", facts=facts, severity="WARN")


def champion_reproduces_its_predictions(subject: Subject) -> Outcome:
    """The champion's model, asked again, writes what its predictions say; of the model decided on last."""
    name = read_record(subject.snapshot).outcome.model
    champion = dict(_champions(subject)).get(name)
    if champion is None:
        return Outcome(True, f"{name} has no champion to ask", {"num_texts": 0})
    _ask_again(subject.store, champion)
    found = read_reproduction(subject.store.run(champion.run_id), champion.evaluation_set)
    facts: Facts = {
        "num_texts": found.num_texts,
        "num_differing": len(found.differing),
        "device": found.device,
    }
    problems = [
        f"item {text.item_id}: {text.found!r:.80}, published is {text.published!r:.80}"
        for text in found.differing
    ]
    return all_hold(problems, subject=f"champion {champion.run_id}", facts=facts)


def _champions(subject: Subject) -> Iterator[tuple[str, ModelVersion]]:
    for name, model in read_record(subject.snapshot).models.items():
        yield from ((name, version) for version in model.versions if version.status == "champion")


def _ask_again(store: Store, champion: ModelVersion) -> None:
    digest = champion.evidence["predictions"]
    published = predictions_slot(store.run(champion.run_id), champion.evaluation_set).resolve(digest)
    meta = PredictionsMeta.read(published.file("predictions_meta.json"))
    job = {
        "home": str(store.home),
        "run_id": champion.run_id,
        "evaluation_set": champion.evaluation_set,
        "predictions_digest": digest,
        "device": meta.device.split()[0],
    }
    run_outside("tunix_ml.inference.reproduce", job)


CHECKS = (
    Check("registered_model", logs_are_whole),
    Check("registered_model", champions_are_undamaged),
    Check("registered_model", champion_reproduces_its_predictions),
    Check("registered_model", champions_have_valid_rows, blocking=False),
)
