"""Sweeps: the space that is searched, the trials, and what came of them."""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tunix_ml.contracts.base import Artifact, ContractError
from tunix_ml.contracts.canonical import canonical_json, sha256_hex
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.contracts.names import make_run_id
from tunix_ml.contracts.table import Column, TableSchema
from tunix_ml.contracts.training import RunIdentity

VALIDATION_LOSS = "validation_loss"
Value = int | float | str
Values = Mapping[str, Value]
DimensionKind = Literal["choice", "uniform", "loguniform", "int"]
EngineName = Literal["optuna", "ray"]
TrialKind = Literal["search", "rerun"]
TrialStatus = Literal["waiting", "running", "complete", "pruned", "failed"]
EndedBy = Literal["trials", "space", "time_budget"]
_EXECUTION = {"budget_minutes", "retry_failed"}


class SweepSpec(BaseModel):
    """What is searched for, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    space: dict[str, Any] = Field(
        {"learning_rate": {"loguniform": [0.0003, 0.03]}},
        min_length=1,
        description="for each field of the training recipe that is searched, one of `choice: [values]`,"
        " `uniform: [low, high]`, `loguniform: [low, high]` and `int: [low, high]`, ends included",
    )
    metric: str = Field(
        VALIDATION_LOSS, description="`validation_loss`, or a metric of an evaluation; its direction is known"
    )
    evaluation_set: str = Field(
        "validation",
        description="what a trial is asked where the metric is of an evaluation: `validation`, that split of"
        " the dataset version, or an evaluation set of the catalog; never `test`",
    )
    max_new_tokens: int = Field(160, ge=1, description="longest answer to one of its questions")
    max_items: int | None = Field(None, ge=1, description="ask only so many of them, the first by id")
    num_trials: int = Field(6, ge=1, description="recipes that are tried")
    first_rung_steps: int | None = Field(
        None, ge=1, description="every trial is trained so far before the better ones go on; null: to the end"
    )
    reduction_factor: int = Field(
        3, ge=2, description="at each rung the best in so many go on, to so many times the steps"
    )
    seeds: list[int] = Field(
        [0, 1, 2],
        description="of the reruns of the best recipe, which say how far its metric can be believed",
    )
    sweep_seed: int = Field(0, ge=0, description="with the trials so far, all that decides which is next")
    sweep_engine: EngineName = Field(
        "optuna", description="optuna: one trial after the other; ray: random ones side by side, extra `ray`"
    )
    budget_minutes: float | None = Field(
        None, gt=0, description="end in time; the same sweep can go on later"
    )
    retry_failed: bool = Field(False, description="try trials again that have failed before")


class Objective(NamedTuple):
    """What makes one trial better than another."""

    metric: str
    is_minimised: bool

    @property
    def is_evaluated(self) -> bool:
        """Say whether it takes questions and answers, beyond the training's own validation loss."""
        return self.metric != VALIDATION_LOSS

    def key(self, value: float) -> float:
        """Return what is smaller the better a value is."""
        return value if self.is_minimised else -value


def objective_of(spec: SweepSpec) -> Objective:
    """Return the objective of a sweep, with the direction that the metric is declared with.

    Raises:
        ContractError: there is no such metric, neither direction of it is better, or the test split is asked.
    """
    if spec.metric == VALIDATION_LOSS:
        return Objective(spec.metric, is_minimised=True)
    metric = METRICS.get(spec.metric)
    if metric is None:
        there_are = ", ".join([VALIDATION_LOSS, *METRICS])
        raise ContractError(f"metric {spec.metric!r:.100} is not known, there are: {there_are}")
    if metric.direction == "neither":
        raise ContractError(f"metric {spec.metric!r} cannot be searched by: neither more nor less is better")
    if spec.evaluation_set.rpartition(".")[2] == "test":
        raise ContractError(
            f"evaluation_set {spec.evaluation_set!r:.100} would choose by what the choice is judged by:"
            " take `validation`"
        )
    return Objective(spec.metric, is_minimised=metric.direction == "lower")


class Dimension(NamedTuple):
    """The values that one field may take: those listed, or all from the first to the second."""

    kind: DimensionKind
    values: tuple[Value, ...]


def dimensions_of(spec: SweepSpec) -> dict[str, Dimension]:
    """Return the search space of a sweep, by field.

    Raises:
        ContractError: a dimension is none of the four kinds, or holds less than two values.
    """
    return {field: _dimension(field, entry) for field, entry in sorted(spec.space.items())}


def _dimension(field: str, entry: object) -> Dimension:
    named = entry if isinstance(entry, dict) and len(entry) == 1 else {"": None}
    ((kind, values),) = named.items()
    if kind not in get_args(DimensionKind) or not isinstance(values, list):
        raise ContractError(
            f"space of {field!r:.100} is {entry!r:.100}, expected one of choice: [values],"
            " uniform: [low, high], loguniform: [low, high] and int: [low, high]"
        )
    dimension = Dimension(cast("DimensionKind", kind), tuple(values))
    if kind == "choice":
        _check_choice(field, dimension)
    else:
        _check_range(field, dimension)
    return dimension


def _check_choice(field: str, dimension: Dimension) -> None:
    values = dimension.values
    if any(not isinstance(value, int | float | str) for value in values):
        raise ContractError(f"choice of {field!r} is {list(values)!r:.100}, expected numbers and texts")
    if len(values) < 2 or len(set(values)) < len(values):
        raise ContractError(f"choice of {field!r} is {list(values)!r:.100}, expected two values or more")


def _check_range(field: str, dimension: Dimension) -> None:
    ends = [_number(field, dimension.kind, value) for value in dimension.values]
    is_rising = len(ends) == 2 and ends[0] < ends[1]
    if not is_rising or (dimension.kind == "loguniform" and ends[0] <= 0):
        above = ", the low one above 0" if dimension.kind == "loguniform" else ""
        raise ContractError(f"{dimension.kind} of {field!r} is {ends!r:.100}, expected [low, high]{above}")


def _number(field: str, kind: DimensionKind, value: object) -> int | float:
    allowed = int if kind == "int" else int | float
    if isinstance(value, allowed) and not isinstance(value, bool):
        return value
    expected = "an integer" if kind == "int" else "a number"
    hint = "; YAML reads 1e-4 as a text, write 1.0e-4" if isinstance(value, str) else ""
    raise ContractError(f"{kind} of {field!r} has the end {value!r:.40}, expected {expected}{hint}")


class SweepIdentity(Artifact):
    """`identity.json`: everything that decides which trials a sweep tries and which of them is best."""

    base: RunIdentity = Field(description="the run of the recipe that the fields are changed in")
    spec: SweepSpec

    def fingerprint(self) -> str:
        """Return the sha256 of the identity: how long a sweep may take makes no other one."""
        spec = self.spec.model_dump(mode="json", exclude=_EXECUTION)
        return sha256_hex(canonical_json({"base": self.base.fingerprint(), "spec": spec}))

    def sweep_id(self) -> str:
        """Return `<dataset_version>.<recipe>.<fingerprint10>`."""
        return make_run_id(self.base.dataset_version, self.base.train.recipe, self.fingerprint())


class RungValue(Artifact):
    """The metric of a trial after so many steps."""

    step: int = Field(ge=1, description="optimizer steps done")
    value: float


class Trial(Artifact):
    """A row of the trial table."""

    number: int = Field(ge=0)
    kind: TrialKind
    status: TrialStatus
    reason: str | None = None
    values: dict[str, Value]
    seed: int = Field(ge=0)
    run_id: str
    fingerprint: str
    step: int = 0
    rungs: tuple[RungValue, ...] = ()
    metric: float | None = None
    model_digest: str | None = None
    eval_digest: str | None = None
    train_time_s: float | None = None

    @model_validator(mode="after")
    def _only_a_complete_trial_has_a_metric(self) -> Self:
        if (self.metric is not None) != (self.status == "complete"):
            raise ValueError(f"trial {self.number} is {self.status} with metric {self.metric}")
        if (self.reason is not None) != (self.status == "failed"):
            raise ValueError(f"trial {self.number} is {self.status} with reason {self.reason!r}")
        return self

    def to_row(self) -> dict[str, Any]:
        """Return the row of TRIALS_SCHEMA."""
        return {**self.model_dump(mode="json"), "values": json.dumps(self.values, sort_keys=True)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Trial":
        """Return the trial of a row.

        Raises:
            ContractError: the row is not a trial.
        """
        fields = {**row, "values": json.loads(row["values"])}
        return cls.parse(canonical_json(fields), subject=f"trial {row['number']}")


TRIALS_SCHEMA = TableSchema(
    [
        Column("number", "int64", "in the order they were thought of"),
        Column("kind", "string", "search, or rerun: the best recipe with another seed"),
        Column("status", "string", "waiting, running, complete, pruned or failed"),
        Column("reason", "string", "why it failed", nullable=True),
        Column("values", "string", "JSON: the swept fields"),
        Column("seed", "int64", "of the run"),
        Column("run_id", "string", "the run"),
        Column("fingerprint", "string", "of the run's identity"),
        Column("step", "int64", "optimizer steps done when it was last looked at"),
        Column("rungs", [{"step": "int64", "value": "double"}], "metric at each rung it has come to"),
        Column("metric", "double", "at the last step; null unless complete", nullable=True),
        Column("model_digest", "string", "the model that was measured last", nullable=True),
        Column("eval_digest", "string", "report that the metric is from, if any", nullable=True),
        Column("train_time_s", "double", "wall seconds of training, all sessions", nullable=True),
    ]
)


class SweepReport(Artifact):
    """`sweep.json`: what came of a sweep."""

    sweep_id: str
    dataset_version: str
    recipe: str
    metric: str
    is_minimised: bool
    evaluation_set: str | None = Field(description="what the trials were asked; null: validation loss")
    engine: EngineName
    fields: list[str] = Field(description="that were searched")
    rungs: list[int] = Field(description="steps after which trials were compared, the last one the end")
    num_trials: int = Field(description="that were to be tried")
    status_counts: dict[TrialStatus, int] = Field(description="trials of the search by status")
    ended_by: EndedBy = Field(description="`space`: every recipe in it was tried; `time_budget`: in time")
    best: int = Field(description="number of the best trial")
    best_run_id: str
    best_fingerprint: str
    best_values: dict[str, Value]
    best_metric: float
    rerun_seeds: list[int] = Field(description="of the reruns of the best recipe that are complete")
    rerun_mean: float | None = Field(description="mean of their metric; null: there is none")
    rerun_stdev: float | None = Field(description="standard deviation between seeds; null: fewer than two")
    importances: dict[str, float] = Field(description="share of each field in what sets the better apart")
    importance_note: str = Field(description="what they rest on, or why there are none")
    best_config: str = Field(description="YAML for `dagster asset materialize -c`")
