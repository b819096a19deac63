"""Training: what identifies a run, how it is executed, and what it leaves behind."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.canonical import canonical_json, sha256_hex
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.names import make_run_id

Device = Literal["auto", "cpu", "gpu", "cuda", "tpu"]
Precision = Literal["float32", "bfloat16"]
OptimizerName = Literal["adamw", "adafactor", "lion", "muon"]
ScheduleName = Literal["constant", "linear", "cosine"]
StoppedBy = Literal["steps", "time_budget", "pause"]


class TrainConfig(BaseModel):
    """The part of a training recipe that identifies a run: change one field and it is another run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    recipe: str = Field("tiny", description="name of the recipe, part of the run id")
    engine: Literal["jax", "torch"] = Field(
        "jax", description="jax, or torch for machines where JAX does not work"
    )
    seed: int = Field(0, ge=0, description="seed of the parameters, of dropout and of the data order")
    base_model: str = Field(
        "",
        description="a Hugging Face folder or hub name to fine-tune; empty: fresh parameters of this shape",
    )
    num_layers: int = Field(2, ge=1, description="decoder layers")
    hidden_size: int = Field(64, ge=8, description="width of the residual stream")
    num_heads: int = Field(4, ge=1, description="attention heads; divides hidden_size")
    intermediate_size: int = Field(192, ge=8, description="width inside the feed-forward")
    rope_theta: float = Field(10_000.0, gt=0, description="base of the rotary positions")
    lora_rank: int = Field(0, ge=0, description="rank of low-rank adapters; 0 trains every parameter")
    lora_alpha: float = Field(16.0, gt=0, description="adapters are scaled by lora_alpha / lora_rank")
    lora_targets: str = Field(
        r"(q|k|v|o|gate|up|down)_proj", description="regular expression of the products that get an adapter"
    )
    precision: Precision = Field(
        "float32", description="of the products; parameters and sums are float32 either way"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the residual updates set to zero")
    num_train_steps: int = Field(300, ge=1, description="optimizer steps")
    max_steps: int | None = Field(None, ge=1, description="never more optimizer steps than these")
    max_examples: int | None = Field(
        None, ge=1, description="stop before more examples than these have been read, repeats counted"
    )
    smoke_steps: int | None = Field(None, ge=1, description="so many steps instead of all, for a trial")
    batch_size: int = Field(8, ge=1, description="rows of tokens in a step")
    optimizer: OptimizerName = Field("adamw", description="adamw, adafactor, lion or muon")
    learning_rate: float = Field(3e-3, gt=0, description="peak of the schedule")
    schedule: ScheduleName = Field("cosine", description="after the warm-up: constant, linear or cosine")
    min_learning_rate_ratio: float = Field(0.1, ge=0, le=1, description="end of the schedule over its peak")
    warmup_steps: int = Field(20, ge=0, description="steps of linear warm-up")
    weight_decay: float = Field(0.01, ge=0, description="decay of matrices; norms and biases are spared")
    adam_b1: float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    adam_b2: float = Field(0.98, ge=0, lt=1, description="decay of the second moment")
    grad_clip_norm: float = Field(1.0, gt=0, description="largest global norm of the gradient")


class ExecutionConfig(BaseModel):
    """The part that does not identify a run: where it runs and how often it reports and saves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device = Field(
        "auto", description="auto, cpu, gpu (alias cuda) or tpu; an absent one is an error"
    )
    device_index: int | None = Field(
        None, ge=0, description="use this device of its platform alone; null: all that the mesh asks for"
    )
    mesh_fsdp: int = Field(1, ge=1, description="devices that share the rows, and the state among them")
    mesh_tp: int = Field(1, ge=1, description="devices that share each product")
    gradient_accumulation_steps: int = Field(
        1, ge=1, description="parts a step's rows are worked through in; divides batch_size"
    )
    remat: Literal["auto", "on", "off"] = Field(
        "auto", description="compute activations again instead of keeping them; auto: in deep models"
    )
    save_every_steps: int = Field(100, ge=1, description="steps between checkpoints")
    save_every_minutes: float | None = Field(None, gt=0, description="and minutes, whichever comes first")
    eval_every_steps: int = Field(100, ge=1, description="steps between validation losses")
    score_every_steps: int | None = Field(
        None, ge=1, description="steps between task scores on the validation split; null: none"
    )
    score_items: int = Field(32, ge=1, description="questions of a task score, the first by id")
    score_max_new_tokens: int = Field(160, ge=1, description="longest answer to one of them")
    log_every_steps: int = Field(10, ge=1, description="steps between rows of metrics.jsonl")
    keep_checkpoints: int = Field(2, ge=1, description="latest checkpoints kept for resume")
    keep_best_checkpoints: int = Field(
        0, ge=0, description="checkpoints of the lowest validation loss kept beside them"
    )
    time_budget_minutes: float | None = Field(
        None, gt=0, description="end in time, with a checkpoint; the same run can go on later"
    )
    deadline: str = Field(
        "",
        description="end by this time too, whatever came before the training: ISO 8601 with its offset from"
        " UTC; empty: none",
    )
    pause_after_step: int | None = Field(
        None, ge=1, description="evaluate, save and end after this step; the same run can go on later"
    )
    profile_dir: str = Field("", description="trace a few steps into it, for Perfetto or TensorBoard")
    resume_from: str = Field(
        "latest",
        description="`latest`: the last good checkpoint of this run, or a fresh start if there is none; "
        "`<step>` or `<path>`: that one; `none`: start afresh",
    )

    @field_validator("deadline")
    @classmethod
    def _is_a_moment(cls, value: str) -> str:
        try:
            is_moment = not value or datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            is_moment = False
        if not is_moment:
            raise ValueError(f"{value!r:.80} is no time with its offset, as 2027-01-31T18:00:00+00:00")
        return value


class RunIdentity(Artifact):
    """`config.json` of a run: everything its fingerprint covers."""

    dataset_version: str
    dataset_digest: str
    export_digest: str
    tokens_digest: str
    template: TemplateName
    base_model_digest: str | None = Field(None, description="content digest of the model folder fine-tuned")
    train: TrainConfig
    code_version: str = Field(description="digest of the source code of the engine")

    def fingerprint(self) -> str:
        """Return the sha256 of the identity, in hexadecimal.

        A base model counts by its content: where it lies on this machine makes no other run.
        """
        values = self.model_dump(mode="json")
        if self.base_model_digest is not None:
            del values["train"]["base_model"]
        return sha256_hex(canonical_json(values))

    def run_id(self) -> str:
        """Return `<dataset_version>.<recipe>.<fingerprint10>`."""
        return make_run_id(self.dataset_version, self.train.recipe, self.fingerprint())


class MetricsRow(Artifact):
    """A line of `metrics.jsonl`."""

    step: int = Field(ge=1, description="optimizer steps done")
    loss: float = Field(description="training loss of this step, nats per supervised token")
    learning_rate: float
    grad_norm: float = Field(description="global norm of the gradient before clipping")
    tokens_per_second: float = Field(description="supervised and prompt tokens, padding left out")
    step_time_s: float = Field(description="mean wall seconds per step since the row before")
    validation_loss: float | None = Field(None, description="nats per supervised token, where evaluated")
    task_score: float | None = Field(
        None, description="answer_correctness on questions of the validation split, where asked for"
    )


class CheckpointMeta(Artifact):
    """What a checkpoint says about its run, beside the parameters and the optimizer's state."""

    step: int = Field(ge=1, description="optimizer steps done")
    data_position: int = Field(description="rows read: the next step reads on from here")
    fingerprint: str = Field(description="of the run's identity")
    tokens_digest: str = Field(description="content digest of the rows trained on")
    first_loss: float = Field(description="training loss of the first step")
    loss: float = Field(description="training loss of this step, nats per supervised token")
    validation_loss: float | None = Field(description="nats per supervised token, where evaluated")
    num_tokens_seen: int = Field(description="tokens trained on, padding left out")
    train_time_s: float = Field(description="wall seconds in the training loop, over all sessions so far")


class CheckpointRecord(Artifact):
    """`checkpoint.json`: the run that a dataset version's checkpoint asset holds now."""

    run_id: str
    dataset_version: str
    step: int = Field(ge=1, description="optimizer steps done")
    num_train_steps: int = Field(ge=1, description="optimizer steps planned")
    stopped_by: StoppedBy = Field(
        description="`time_budget`: the run ended in time; `pause`: at the step it was to pause after;"
        " both can be gone on with"
    )
    model_digest: str = Field(description="content digest of the exported model folder")
    final_loss: float = Field(description="training loss of the last step, nats per supervised token")
    first_loss: float = Field(description="training loss of the first step")
    validation_loss: float = Field(description="after the last step, nats per supervised token")
    num_params: int
    num_tokens_seen: int = Field(description="tokens trained on, padding left out")
    train_time_s: float = Field(description="wall seconds in the training loop, over all sessions of the run")
    compile_time_s: float = Field(description="wall seconds to compile the step, last session")
    device: str = Field(description="platform and kind of the device used")
    num_devices: int = Field(1, ge=1, description="devices of the last session")
