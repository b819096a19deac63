"""The evidence of a submission bundle: what ran, how it scored, and where. No field of it may be null."""

from typing import Literal

from pydantic import Field

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.training import StoppedBy

Setting = str | bool | int | float | list[str] | list[int]


class AskedSet(Artifact):
    """An evaluation set as a run was asked it."""

    num_items: int = Field(ge=1, description="items asked")
    items_digest: Digest = Field(description="over the items' ids, prompts and answers")
    source_digest: Digest = Field(description="content that the items were read from")
    predictions_digest: Digest = Field(description="content digest of the predictions")
    eval_digest: Digest = Field(description="content digest of the report")
    decoding: dict[str, Setting] = Field(description="how texts were written; a setting left out was not set")
    device: str = Field(description="platform and kind of the device that wrote them")


class RunManifest(Artifact):
    """`evidence/run_manifest.json`: everything that made the model and its answers."""

    run_id: str
    fingerprint: Digest = Field(description="of the run's identity, all that decides its model")
    dataset_version: str
    dataset_digest: Digest
    export_digest: Digest
    tokens_digest: Digest
    template: TemplateName
    code_version: Digest = Field(description="digest of the source code of the engine")
    train: dict[str, Setting] = Field(description="training recipe; a setting left out was not set")
    step: int = Field(ge=1, description="optimizer steps done")
    num_train_steps: int = Field(ge=1, description="optimizer steps planned")
    stopped_by: StoppedBy = Field(description="`time_budget`: the run ended in time and can be gone on with")
    first_loss: float = Field(description="training loss of the first step, nats per supervised token")
    final_loss: float = Field(description="training loss of the last step, nats per supervised token")
    validation_loss: float = Field(description="after the last step, nats per supervised token")
    num_params: int
    num_tokens_seen: int = Field(description="tokens trained on, padding left out")
    train_time_s: float = Field(description="wall seconds in the training loop, over all sessions of the run")
    model_digest: Digest = Field(description="content digest of the files below `model/`")
    evaluation_sets: dict[str, AskedSet] = Field(min_length=1)


class ScoredSet(Artifact):
    """The score of a run on one evaluation set."""

    score: float = Field(description="mean of the primary metric over all items")
    stderr: float = Field(ge=0, description="standard error of the mean")
    ci95_low: float
    ci95_high: float
    n: int = Field(ge=1, description="items it is the mean of: all that were asked")
    status_counts: dict[str, int] = Field(description="samples by status")
    metrics: dict[str, float] = Field(description="mean of every metric that applies")
    gold_mean: float = Field(description="score of the true completions: 1 for a sound scorer")
    shuffled_mean: float = Field(description="score of every item answered with another's completion")


class EvaluationSummary(Artifact):
    """`evidence/evaluation_summary.json`: the score, and what is needed to believe it."""

    run_id: str
    evaluation_set: str = Field(description="whose score this is")
    primary_metric: str
    score: float = Field(description="on that set")
    evaluation_sets: dict[str, ScoredSet] = Field(min_length=1)


class GitSource(Artifact):
    """The code lay in a git work tree."""

    kind: Literal["git"] = "git"
    commit: str = Field(min_length=1)
    is_changed: bool = Field(description="whether the work tree had changes that no commit holds")


class PackageSource(Artifact):
    """The code was installed as a package."""

    kind: Literal["package"] = "package"
    version: str = Field(min_length=1, description="of tunix-rt")


class Environment(Artifact):
    """`evidence/environment.json`: where and with what the model was trained."""

    source: GitSource | PackageSource
    python: str
    platform: str = Field(description="of the device: cpu, gpu or tpu")
    packages: dict[str, str] = Field(description="versions of those installed that matter")
    device: str = Field(description="platform and kind of the device used")
    num_devices: int = Field(ge=1, description="that the run used")
    num_cpus: int = Field(ge=1)
    variables: dict[str, str] = Field(description="environment variables that decide about devices")
    execution: dict[str, Setting] = Field(description="of the last session; what is left out was not set")
    session_started_at: str = Field(description="of the last session, UTC, ISO 8601")
    peak_host_bytes: int = Field(ge=1, description="most memory of the training process")
