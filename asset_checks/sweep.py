"""Facts about a sweep."""

import math

from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.sweep import SweepIdentity, SweepReport, Trial, dimensions_of, objective_of
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.tuning.best import ranking, train_of
from tunix_ml.tuning.measure import measure
from tunix_ml.tuning.trials import IDENTITY_FILE, read_trials


def only_complete_trials_have_a_metric(subject: Subject) -> Outcome:
    """A trial that failed, was ended early or waits has no metric, and one that failed says why."""
    trials = _trials(subject)  # a row that breaks this is refused here
    counts = {
        status: sum(trial.status == status for trial in trials)
        for status in ("complete", "pruned", "waiting", "failed")
    }
    problems = [f"trial {trial.number} is still running" for trial in trials if trial.status == "running"]
    return all_hold(problems, subject="trials", facts=counts)


def metrics_are_those_of_the_runs(subject: Subject) -> Outcome:
    """The metric of every complete trial is what the files of its run say."""
    report, trials = _report(subject), _trials(subject)
    objective = objective_of(_identity(subject).spec)
    problems = []
    for trial in trials:
        if trial.metric is None:
            continue
        try:
            found = measure(
                subject.store.run(trial.run_id),
                objective,
                step=trial.step,
                evaluation_set=report.evaluation_set,
                eval_digest=trial.eval_digest,
            )
        except TunixError as error:
            problems.append(f"trial {trial.number}: {error}")
            continue
        if not math.isclose(found.value, trial.metric, rel_tol=1e-12):
            problems.append(f"trial {trial.number} has metric {trial.metric}, its run {found.value}")
        if found.model_digest != trial.model_digest:
            problems.append(f"trial {trial.number} has another model than its run")
    return all_hold(problems, subject="metrics", facts={"num_trials": len(trials)})


def best_trial_is_best(subject: Subject) -> Outcome:
    """No complete trial has a better metric than the best one, in the direction that the metric declares."""
    report = _report(subject)
    objective = objective_of(_identity(subject).spec)
    ranked = ranking([trial for trial in _trials(subject) if trial.kind == "search"], objective)
    first = ranked[0] if ranked else None
    stated = (report.best, report.best_run_id, report.best_metric, report.is_minimised)
    found = first and (first.number, first.run_id, first.metric, objective.is_minimised)
    passed = stated == found
    description = f"the report names trial {stated[0]}, the table {first.number if first else 'none'}"
    return Outcome(passed, description, {"best_metric": report.best_metric, "num_ranked": len(ranked)})


def swept_fields_make_other_runs(subject: Subject) -> Outcome:
    """Trials with other values are other runs, each with the identity that its values make."""
    fields = set(dimensions_of(_identity(subject).spec))
    trials = [trial for trial in _trials(subject) if trial.kind == "search"]
    problems = []
    for trial in trials:
        path = subject.store.run(trial.run_id).path / "config.json"
        if set(trial.values) != fields:
            problems.append(
                f"trial {trial.number} changes {sorted(trial.values)}, swept are {sorted(fields)}"
            )
        elif path.exists():
            problems += _differences(trial, RunIdentity.read(path))
    num_runs = len({trial.fingerprint for trial in trials})
    if num_runs < len(trials):
        problems.append(f"{len(trials)} trials are {num_runs} runs")
    return all_hold(problems, subject="swept fields", facts={"num_trials": len(trials), "num_runs": num_runs})


def best_recipe_makes_the_best_run(subject: Subject) -> Outcome:
    """The configuration of the best recipe, read back, identifies the run of the best trial."""
    report, identity = _report(subject), _identity(subject)
    train = train_of(subject.snapshot.file("best.yaml").read_text(encoding="utf-8"))
    made = RunIdentity.read(subject.store.run(report.best_run_id).path / "config.json")
    found = made.model_copy(update={"train": train}).fingerprint()
    is_of_the_sweep = made.tokens_digest == identity.base.tokens_digest
    passed = found == report.best_fingerprint and is_of_the_sweep
    facts: Facts = {"fingerprint": found, "best_fingerprint": report.best_fingerprint}
    return Outcome(
        passed, f"the recipe has fingerprint {found}, the best trial {report.best_fingerprint}", facts
    )


def reruns_agree_with_the_best(subject: Subject) -> Outcome:
    """The best recipe with other seeds is within three standard deviations of what it was chosen for."""
    report = _report(subject)
    mean, stdev = report.rerun_mean, report.rerun_stdev
    if mean is None or stdev is None:
        return Outcome(True, "there are fewer than two reruns to judge by", {}, "WARN")
    worse = (report.best_metric - mean) * (-1 if report.is_minimised else 1)
    facts: Facts = {"best_metric": report.best_metric, "rerun_mean": mean, "rerun_stdev": stdev}
    description = (
        f"best {report.best_metric:.4f}, over {len(report.rerun_seeds)} seeds {mean:.4f} ± {stdev:.4f}"
    )
    return Outcome(worse <= 3 * stdev, description, facts, "WARN")


def _differences(trial: Trial, identity: RunIdentity) -> list[str]:
    made = identity.train.model_dump()
    problems = [
        f"trial {trial.number} has {name} {value!r}, its run {made[name]!r}"
        for name, value in trial.values.items()
        if made[name] != value
    ]
    if identity.fingerprint() != trial.fingerprint:
        problems.append(f"trial {trial.number} has another fingerprint than its run")
    return problems


def _trials(subject: Subject) -> list[Trial]:
    return read_trials(subject.snapshot)


def _report(subject: Subject) -> SweepReport:
    return SweepReport.read(subject.snapshot.file("sweep.json"))


def _identity(subject: Subject) -> SweepIdentity:
    return SweepIdentity.read(subject.snapshot.file(IDENTITY_FILE))


CHECKS = (
    Check("sweep", only_complete_trials_have_a_metric),
    Check("sweep", metrics_are_those_of_the_runs),
    Check("sweep", best_trial_is_best),
    Check("sweep", swept_fields_make_other_runs),
    Check("sweep", best_recipe_makes_the_best_run),
    Check("sweep", reruns_agree_with_the_best, blocking=False),
)
