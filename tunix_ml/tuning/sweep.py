"""The driver of a sweep: it has trials thought of, trained rung by rung, compared and published.

lake/trials/<sweep_id>/         the trial table, published at every change; at the end with what came of it
lake/sweep/<dataset_version>/   the sweep that the asset of a dataset version holds now

It keeps nothing to itself: killed at any moment, it goes on from the table and from the checkpoints of the
trials' runs.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tunix_ml.contracts.base import Artifact, TunixError
from tunix_ml.contracts.prediction import PredictConfig
from tunix_ml.contracts.sweep import (
    EndedBy,
    RungValue,
    SweepIdentity,
    SweepReport,
    Trial,
    Values,
    dimensions_of,
    objective_of,
)
from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.datasets.evaluation_set import full_names
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.training.identify import identify
from tunix_ml.tuning.best import best_of, run_config, spread_of
from tunix_ml.tuning.engines import Search, engine_of
from tunix_ml.tuning.halving import Wave, rungs_of, wave_to
from tunix_ml.tuning.importance import importances
from tunix_ml.tuning.measure import NotMeasured, last_record, measure
from tunix_ml.tuning.space import check_execution, check_space, num_steps_of, train_config
from tunix_ml.tuning.trial import TrialJob
from tunix_ml.tuning.trials import TrialTable

SWEEP = "sweep"
REPORT_FILE, BEST_FILE, TRIALS_JSON = "sweep.json", "best.yaml", "trials.json"
_SECONDS_PER_MINUTE = 60


class SweepJob(Artifact):
    """What a driver is asked to do."""

    home: Path
    identity: SweepIdentity
    execution: ExecutionConfig


class SweepUnfinished(TunixError):
    """A sweep has no trial that could be the best."""


def run_sweep(job: SweepJob, *, started_at: float, report: Callable[[str], None]) -> Snapshot:
    """Bring a sweep to its end, from wherever it stands, and publish what came of it.

    Args:
        job: which sweep, and how its trials are executed.
        started_at: when its time began, in seconds since 1970.
        report: told about the progress, a line at a time.

    Raises:
        ContractError: the sweep contradicts itself, or a swept field changes nothing.
        LeaseHeld: another process drives it.
        MissingExtra: the library of its engine is not installed.
        SweepUnfinished: no trial is complete: all have failed, or the time was too short.
    """
    driver = _Driver(job, started_at, report)
    with driver.table.owned():
        return driver.run()


class _Driver:
    """One process's work on a sweep."""

    def __init__(self, job: SweepJob, started_at: float, report: Callable[[str], None]) -> None:
        self.job, self.spec, self.report = job, job.identity.spec, report
        self.base, self.store = job.identity.base, Store(job.home)
        self.tokens = self.store.slot("tokenized_examples", self.base.dataset_version).resolve(
            self.base.tokens_digest
        )
        self.space, self.objective = dimensions_of(self.spec), objective_of(self.spec)
        check_execution(job.execution)
        check_space(self.space, recipe=self.base.train, tokens=self.tokens)
        self.rungs = rungs_of(self.spec, num_steps=num_steps_of(self.base.train))
        self.engine = engine_of(self.spec.sweep_engine)
        self.table = TrialTable(self.store, job.identity)
        minutes = self.spec.budget_minutes
        self.ends_at = None if minutes is None else started_at + minutes * _SECONDS_PER_MINUTE

    def run(self) -> Snapshot:
        """Search, rerun the best, publish."""
        num_interrupted = self.table.load(retry_failed=self.spec.retry_failed)
        sweep_id = self.job.identity.sweep_id()
        if num_interrupted:
            self.report(f"{sweep_id} was interrupted in {num_interrupted} trials: they go on")
        self.report(f"sweep {sweep_id}: {self.spec.num_trials} trials, compared after steps {self.rungs}")
        ended_by = self._search()
        best = best_of(self.table.search, self.objective)
        if best is None:
            raise SweepUnfinished(self._why_there_is_no_best(ended_by))
        if ended_by != "time_budget" and not self._rerun(best):
            ended_by = "time_budget"
        return self._publish(best, ended_by)

    def begins(self, number: int) -> None:
        """Note that a trial is being trained."""
        self.table.change({number: {"status": "running"}})

    def ends(self, number: int, *, failure: str | None) -> None:
        """Note what came of a trial, from the files of its run."""
        trial = self.table[number]
        step = self._rungs_of(trial)[len(trial.rungs)]
        try:
            changes = {"status": "failed", "reason": failure} if failure else self._measured(trial, step)
        except TunixError as error:
            changes = {"status": "failed", "reason": str(error)}
        self.table.change({number: changes})
        self.report(f"trial {number}: {_told(self.table[number], self.objective.metric)}")

    def _search(self) -> EndedBy:
        """Bring all trials as far as they are to go; return why there are no more."""
        space_is_left = self._come_to_the_first_rung()
        if space_is_left is None:
            return "time_budget"
        for index in range(1, len(self.rungs)):
            wave = self._wave(index)
            self.table.change({number: {"status": "pruned"} for number in wave.pruned})
            if not self._train(wave):
                return "time_budget"
        return "trials" if space_is_left else "space"

    def _come_to_the_first_rung(self) -> bool | None:
        """Have trials thought of and trained; return whether there was space for all, None without time."""
        if not self._train(self._wave(0)):
            return None
        while num_missing := self.spec.num_trials - len(self.table.search):
            proposed = [self._propose() for _ in range(self.engine.num_proposed_at_once(num_missing))]
            if not self._train(self._wave(0)):
                return None
            if not all(proposed):
                return False
        return True

    def _propose(self) -> bool:
        """Add a trial to the table; return whether there was one left to be tried."""
        search = self._described()
        values = self.engine.propose(search)
        if values is not None:
            self.table.add([self._trial(len(search.trials), values)])
        return values is not None

    def _described(self) -> Search:
        return Search(
            self.space, self.objective, self.table.search, self.spec.num_trials, self.spec.sweep_seed
        )

    def _trial(self, number: int, values: Values) -> Trial:
        train = train_config(self.base.train, values)
        identity = identify(self.tokens, train)
        return Trial(
            number=number,
            kind="search" if number < self.spec.num_trials else "rerun",
            status="waiting",
            values=dict(values),
            seed=train.seed,
            run_id=identity.run_id(),
            fingerprint=identity.fingerprint(),
        )

    def _wave(self, index: int) -> Wave:
        return wave_to(
            index,
            self.table.search,
            rungs=self.rungs,
            factor=self.spec.reduction_factor,
            objective=self.objective,
        )

    def _train(self, wave: Wave) -> bool:
        """Bring the trials of a wave to its step; return whether the time was enough."""
        self.engine.train([self._job(number, wave.step) for number in wave.numbers], self)
        return all(
            self.table[number].status not in ("waiting", "running") or self._is_at(number, wave.step)
            for number in wave.numbers
        )

    def _is_at(self, number: int, step: int) -> bool:
        rungs = self.table[number].rungs
        return bool(rungs) and rungs[-1].step >= step

    def _job(self, number: int, step: int) -> TrialJob:
        trial = self.table[number]
        train = train_config(self.base.train, {**trial.values, "seed": trial.seed})
        return TrialJob(
            number=number,
            home=self.job.home,
            identity=identify(self.tokens, train),
            execution=self.job.execution,
            step=step,
            predict=self._predict(),
            ends_at=self.ends_at,
        )

    def _predict(self) -> PredictConfig | None:
        if not self.objective.is_evaluated:
            return None
        return PredictConfig(
            evaluation_sets=[self.spec.evaluation_set],
            max_new_tokens=self.spec.max_new_tokens,
            max_items=self.spec.max_items,
            predict_device=self.job.execution.device,
            predict_device_index=self.job.execution.device_index,
        )

    def _measured(self, trial: Trial, step: int) -> dict[str, object]:
        """Return what changes about a trial that nothing works on any more."""
        run = self.store.run(trial.run_id)
        record = last_record(run)
        if record is None or record.step < step:
            return {"status": "waiting", "step": record.step if record else trial.step}
        found = measure(run, self.objective, step=step, evaluation_set=self._evaluation_set())
        rungs = [*trial.rungs, RungValue(step=step, value=found.value)]
        is_complete = len(rungs) == len(self._rungs_of(trial))
        return {
            "status": "complete" if is_complete else "waiting",
            "metric": found.value if is_complete else None,
            "rungs": [rung.model_dump() for rung in rungs],
            "step": step,
            "model_digest": found.model_digest,
            "eval_digest": found.eval_digest,
            "train_time_s": found.train_time_s,
        }

    def _rungs_of(self, trial: Trial) -> list[int]:
        """Return the steps that a trial is measured after: a rerun only at the end."""
        return self.rungs if trial.kind == "search" else self.rungs[-1:]

    def _evaluation_set(self) -> str | None:
        if not self.objective.is_evaluated:
            return None
        return full_names([self.spec.evaluation_set], self.base.dataset_version)[0]

    def _rerun(self, best: Trial) -> bool:
        """Train the best recipe with other seeds; return whether the time was enough."""
        wanted = [
            self._trial(self.spec.num_trials + index, {**best.values, "seed": seed})
            for index, seed in enumerate(self.spec.seeds)
        ]
        known = {trial.number: trial.run_id for trial in self.table.reruns}
        new = [trial for trial in wanted if known.get(trial.number) != trial.run_id]
        if new:
            self.table.add(new)
        waiting = tuple(trial.number for trial in self.table.reruns if trial.status == "waiting")
        return self._train(Wave(self.rungs[-1], waiting, ()))

    def _why_there_is_no_best(self, ended_by: EndedBy) -> str:
        sweep_id, trials = self.job.identity.sweep_id(), self.table.search
        failed = [trial for trial in trials if trial.status == "failed"]
        if ended_by == "time_budget":
            return (
                f"{self.spec.budget_minutes:g} minutes were too short for {sweep_id}: of its"
                f" {self.spec.num_trials} trials {len(trials)} were begun and none is complete;"
                " the same sweep goes on from there"
            )
        return f"all {len(failed)} trials of {sweep_id} failed, the first one: {failed[0].reason}"

    def _publish(self, best: Trial, ended_by: EndedBy) -> Snapshot:
        """Publish table, report and best recipe, beside the table and as what the asset holds."""
        files = self._files(best, ended_by)
        parents = {"tokenized_examples": self.base.tokens_digest}
        code_version = source_digest("tuning")
        for slot in (self.table.slot, self.store.slot(SWEEP, self.base.dataset_version)):
            with slot.publish(parents=parents, code_version=code_version) as draft:
                self.table.write(draft.path)
                for name, data in files.items():
                    (draft.path / name).write_bytes(data)
        return draft.snapshot

    def _files(self, best: Trial, ended_by: EndedBy) -> dict[str, bytes]:
        trials = [*self.table.search, *self.table.reruns]
        rows = [trial.model_dump(mode="json") for trial in trials]
        found = self._report(best, ended_by)
        return {
            REPORT_FILE: found.to_json(),
            BEST_FILE: found.best_config.encode("utf-8"),
            TRIALS_JSON: json.dumps(rows, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n",
        }

    def _report(self, best: Trial, ended_by: EndedBy) -> SweepReport:
        spread = spread_of(self.table.reruns)
        shares, note = importances(self._described(), first_rung=self.rungs[0])
        return SweepReport(
            sweep_id=self.job.identity.sweep_id(),
            dataset_version=self.base.dataset_version,
            recipe=self.base.train.recipe,
            metric=self.objective.metric,
            is_minimised=self.objective.is_minimised,
            evaluation_set=self._evaluation_set(),
            engine=self.spec.sweep_engine,
            fields=list(self.space),
            rungs=self.rungs,
            num_trials=self.spec.num_trials,
            status_counts=dict(Counter(trial.status for trial in self.table.search)),
            ended_by=ended_by,
            best=best.number,
            best_run_id=best.run_id,
            best_fingerprint=best.fingerprint,
            best_values=best.values,
            best_metric=_certain(best.metric),
            rerun_seeds=spread.seeds,
            rerun_mean=spread.mean,
            rerun_stdev=spread.stdev,
            importances=shares,
            importance_note=note,
            best_config=run_config(train_config(self.base.train, best.values), self.job.execution),
        )


def _certain(metric: float | None) -> float:
    if metric is None:
        raise NotMeasured("the best trial has no metric")
    return metric


def _told(trial: Trial, metric: str) -> str:
    values = ", ".join(f"{name} {value}" for name, value in trial.values.items())
    last: Sequence[RungValue] = trial.rungs[-1:]
    measured = "".join(f", {metric} {rung.value:.4f} after step {rung.step}" for rung in last)
    return f"{trial.status} ({values}){measured}{': ' + trial.reason if trial.reason else ''}"
