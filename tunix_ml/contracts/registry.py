"""The model registry: its events, the versions that follow from them, and what was decided last."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import Artifact, ContractError
from tunix_ml.contracts.gate import GateReport

EventKind = Literal["register", "promote", "reject", "roll_back", "retire"]
VersionStatus = Literal["registered", "candidate", "champion", "archived", "rejected", "retired"]
Action = Literal["promote_best", "promote", "reject", "roll_back", "retire"]
Result = Literal["promoted", "kept", "rejected", "rolled_back", "retired"]

_MODEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")


def check_model_name(value: str) -> str:
    """Return the name of a registered model if it can be the name of a folder.

    Raises:
        ContractError: the value has other characters or is longer than 128.
    """
    if not _MODEL_NAME.fullmatch(value) or ".." in value:
        raise ContractError(
            f"{value!r:.140} cannot name a registered model: 1 to 128 letters, digits, '.', '_' and '-'"
        )
    return value


ModelName = Annotated[str, AfterValidator(check_model_name)]


class Decision(Artifact):
    """What somebody decides about one version of a registered model, and on which evidence."""

    kind: EventKind
    version: Digest = Field(min_length=64, max_length=64, description="content digest of the model folder")
    run_id: str = Field(description="a run whose model it is, and whose evidence was looked at")
    actor: str = Field(min_length=1, description="who decided")
    reason: str = Field(min_length=1, description="why, in a sentence")
    evaluation_set: str = Field(description="what it was measured on")
    scorer: str = Field(description="and how answers were scored")
    gate: GateReport | None = Field(
        None, description="against the champion of then; null: there was none, or nothing to compare"
    )
    evidence: dict[str, Digest] = Field(
        default={},
        description="digests of what was looked at: model, checkpoint, predictions, eval, evaluation_set,"
        " row, reproduction",
    )


class RegistryEvent(Decision):
    """`<sequence>.json` in a registered model's folder `events`: one decision, bound to the one before it."""

    sequence: int = Field(ge=1, description="1 for the first event, without a gap")
    model: ModelName = Field(description="name of the registered model")
    at: str = Field(description="UTC, ISO 8601")
    previous: Digest | None = Field(description="sha256 of the event before, as it lies there; null: none")


class RegistryHead(Artifact):
    """The last event of a log: with it a log that was cut short gives itself away."""

    sequence: int = Field(ge=1)
    event_digest: Digest = Field(min_length=64, max_length=64, description="sha256 of the event")


class ModelVersion(Artifact):
    """One version of a registered model, as its events have left it."""

    version: Digest
    run_id: str = Field(description="the run whose evidence was looked at last")
    status: VersionStatus
    evaluation_set: str
    scorer: str
    evidence: dict[str, Digest] = Field(description="of the last event that had any")
    registered_at: str = Field(description="UTC, ISO 8601")
    decided_at: str = Field(description="when it got its status, UTC, ISO 8601")
    reason: str = Field(description="of the event that gave it its status")


class RegisteredModelRecord(Artifact):
    """One registered model as it was when the registry was published."""

    head: RegistryHead
    aliases: dict[str, Digest] = Field(description="version by alias: candidate, champion, archived")
    versions: list[ModelVersion] = Field(description="in the order in which they were registered")


class PromotionOutcome(Artifact):
    """What one materialization was asked for, and what came of it."""

    action: Action
    model: ModelName
    result: Result
    version: Digest | None = Field(description="version that it is about; null: there was none to choose")
    run_id: str | None
    reasons: list[str] = Field(description="why it was not promoted, or why something else was done")
    gate: GateReport | None


class RegistryRecord(Artifact):
    """`registry.json`: every registered model, and the decision that was taken last."""

    outcome: PromotionOutcome
    models: dict[ModelName, RegisteredModelRecord]


class RegistryConfig(BaseModel):
    """What is decided, about which model, by whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    action: Action = Field(
        "promote_best",
        description="promote_best: register what is new and promote the best run, if it may be; or promote,"
        " reject, roll_back, retire",
    )
    model: str = Field("", description="name of the registered model; empty: that of the evaluation set")
    run_id: str = Field(
        "", description="the run it is about; roll_back goes to the former champion where it is empty"
    )
    evaluation_set: str = Field(
        "",
        description="runs are compared on it; empty: the test split of this partition, or the only set there"
        " is",
    )
    scorer: str = Field("answers", description="`answers`, or `judge:<name>`")
    delta: float = Field(
        0.05, gt=0, description="loss against the champion that would be put up with, in the metric's unit"
    )
    allow_inconclusive: bool = Field(
        default=False, description="promote although the items are too few to rule such a loss out"
    )
    num_reproduced_items: int = Field(8, ge=1, description="items that the model is asked again first")
    actor: str = Field("dagster", min_length=1, description="who decides")
    reason: str = Field("", description="why; needed for every action but promote_best")

    @model_validator(mode="after")
    def _what_it_needs(self) -> Self:
        if self.model:
            check_model_name(self.model)
        if self.action != "promote_best" and not self.reason:
            raise ValueError(f"action {self.action} needs a `reason`")
        if self.action in {"promote", "reject", "retire"} and not self.run_id:
            raise ValueError(f"action {self.action} needs a `run_id`")
        return self
