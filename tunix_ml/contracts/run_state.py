"""The state of a run, derived from what it left, and the facts about it that no file of its own can tell."""

from typing import Literal

from pydantic import Field

from tunix_ml.contracts.base import Artifact

StateName = Literal[
    "queued",
    "training",
    "evaluating",
    "completed",
    "training_failed",
    "evaluation_failed",
    "cancelled",
    "timed_out",
]
# `identified`: it has come to know the training run that it works on.
StatusName = Literal["queued", "started", "identified", "succeeded", "failed", "cancelled", "timed_out"]
ENDED: frozenset[StatusName] = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
STOPPED: frozenset[StatusName] = frozenset({"failed", "cancelled", "timed_out"})


class RunState(Artifact):
    """How far a run has come; computed whenever it is asked for and stored nowhere."""

    run_id: str = Field(description="of the run; of one that has no directory yet, the orchestration's")
    dataset_version: str
    state: StateName
    reason: str | None = Field(description="why it is not going on, or what is left to do")
    since: str | None = Field(description="ISO 8601 in UTC")
    orchestration_run_id: str | None = Field(description="of the Dagster run that worked on it last")


class StatusFact(Artifact):
    """Something that happened to an orchestration run: written once, never changed."""

    orchestration_run_id: str
    status: StatusName
    at: str = Field(description="ISO 8601 in UTC")
    assets: tuple[str, ...] = Field((), description="those it was to make, sorted, where that is known")
    checked: tuple[str, ...] = Field((), description="those it was to check, sorted, where that is known")
    dataset_version: str | None = Field(None, description="its partition")
    run_id: str | None = Field(None, description="of the training run that it works on, once that is known")
    failed_asset: str | None = Field(None, description="the asset that failed, or whose check did")
    failed_check: str | None = Field(None, description="the check of it that failed; null if none did")
    reason: str | None = Field(None, description="the cause, in a sentence")
    next_step: str | None = Field(None, description="what to do about it")
