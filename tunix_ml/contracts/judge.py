"""Judges: models that say whether a text gives the expected answer; how they are asked and what they said."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.table import Column, TableSchema
from tunix_ml.contracts.training import Device, Precision

JudgeBackend = Literal["http", "checkpoint"]
JudgePromptName = Literal["correctness", "pairwise"]
ReplyStatus = Literal["complete", "cut", "timeout", "error"]
VerdictStatus = Literal["scored", "invalid", "timeout", "error"]

_HTTP_ONLY = ("url", "api_key_env")
_CHECKPOINT_ONLY = ("run_id",)


class JudgeConfig(BaseModel):
    """Which model judges, and how it is asked. A key is never part of it, only the name of a variable."""

    # Errors are stored by Dagster in clear: they must not repeat a key that was put into the wrong field.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    judge: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?)?$")] = Field(
        "", description="name of the judge; its verdicts are published under it; empty: there is no judge"
    )
    backend: JudgeBackend = Field(
        "http",
        description="`http`: an endpoint with OpenAI's chat completions; `checkpoint`: a model run here",
    )
    url: str = Field(
        "", description="http: address that `/chat/completions` is added to, `http://127.0.0.1:8000/v1`"
    )
    model: str = Field(
        "", description="http: name of the model there; checkpoint: a Hugging Face folder or hub name"
    )
    run_id: str = Field(
        "", description="checkpoint: instead of `model`, a finished run, whose exported model judges"
    )
    api_key_env: Annotated[str, StringConstraints(pattern=r"^([A-Z_][A-Z0-9_]{0,127})?$")] = Field(
        "", description="http: NAME of the environment variable that holds the key; empty: no key is sent"
    )
    prompt: Literal["correctness"] = Field("correctness", description="how a text is put to the judge")
    temperature: float = Field(0.0, ge=0, le=2, description="0: always the likeliest token")
    max_tokens: int = Field(512, ge=1, description="longest reply; a longer one is cut and invalid")
    precision: Precision = Field("float32", description="checkpoint: of the products, as in predictions")
    timeout_s: float = Field(60.0, gt=0, le=3_600, description="http: of one attempt")
    max_retries: int = Field(
        3, ge=0, le=10, description="http: attempts after the first, on status 429 and 5xx and on timeouts"
    )
    num_concurrent: int = Field(8, ge=1, le=256, description="prompts that are answered at the same time")
    judge_device: Device = Field("auto", description="checkpoint: auto, cpu, gpu (alias cuda) or tpu")
    judge_device_index: int | None = Field(
        None, ge=0, description="checkpoint: which device of its platform; null: the first"
    )

    @model_validator(mode="after")
    def _belongs_to_the_backend(self) -> Self:
        for name in _CHECKPOINT_ONLY if self.backend == "http" else _HTTP_ONLY:
            if getattr(self, name):
                raise ValueError(f"`{name}` is not for backend `{self.backend}`")
        if self.run_id and self.model:
            raise ValueError("`run_id` stands instead of `model`: set one of them")
        return self

    @model_validator(mode="after")
    def _url_is_plain(self) -> Self:
        if not self.url:
            return self
        if "@" in self.url or "?" in self.url or "#" in self.url:
            raise ValueError(
                "`url` holds a name, a password or a query: put the key into an environment variable"
                " and its name into `api_key_env`"
            )
        if not _is_address(self.url):
            raise ValueError("`url` is no address of the form http://… or https://…")
        return self


class JudgedSetsConfig(BaseModel):
    """Which predictions are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    judged_sets: list[str] = Field(
        [],
        description="evaluation sets whose predictions are judged, `test` that of the run's own dataset"
        " version; empty: every one that was predicted",
    )


class JudgeIdentity(Artifact):
    """Everything that decides a judge's verdicts; where it is reached and how patiently are no part of it."""

    backend: JudgeBackend
    model: str = Field(description="http: name of the model; checkpoint: digest of the model's content")
    prompt: JudgePromptName
    prompt_digest: str = Field(description="digest of the prompt's wording and of its verdicts")
    answer_template: TemplateName | None = Field(
        description="template that a run's model was trained with and answers in; null: a bare last line"
    )
    temperature: float
    max_tokens: int
    precision: Precision | None = Field(description="null: the endpoint's business")
    parser_version: int


class JudgeJob(Artifact):
    """What the process that runs a checkpoint as a judge is asked to do."""

    home: Path
    model: Path = Field(description="the model's folder")
    answer_template: TemplateName | None
    config: JudgeConfig
    prompts: Path = Field(description="JSONL file with a string on each line")
    replies: Path = Field(description="JSONL file to write: a reply to each, in their order")


class JudgeReply(msgspec.Struct, frozen=True):
    """What came back for one prompt, as it was written; `model` is what an endpoint says it is."""

    status: ReplyStatus
    text: str | None = None
    detail: str | None = None
    model: str | None = None


class JudgeVerdict(msgspec.Struct, frozen=True):
    """What the judge said of one text: a sample of an item, ordered by item and sample.

    Only `scored` has a verdict and a score. `invalid` is a reply without exactly one verdict in its place;
    `timeout` and `error` are no replies. None of the three says anything about the text.
    """

    item_id: str
    sample_index: int
    status: VerdictStatus
    verdict: str | None
    score: float | None
    reply: str | None
    detail: str | None
    prompt_digest: str
    text_digest: str


JUDGE_VERDICTS_SCHEMA = TableSchema(
    [
        Column("item_id", "string", "the item that was answered"),
        Column("sample_index", "int64", "which sample of it"),
        Column("status", "string", "scored, invalid, timeout or error"),
        Column("verdict", "string", "the verdict's word; null unless scored", nullable=True),
        Column("score", "double", "0 to 1; null unless scored", nullable=True),
        Column("reply", "string", "what the judge wrote; null where nothing came back", nullable=True),
        Column("detail", "string", "why there is no verdict; null where scored", nullable=True),
        Column("prompt_digest", "string", "sha256 of what the judge read"),
        Column("text_digest", "string", "sha256 of the text judged"),
    ]
)


class JudgeSelfTest(Artifact):
    """The judge tried on texts whose verdict is known, made from the very items that were judged."""

    num_items: int = Field(ge=1, description="items tried, the first by id")
    num_without_verdict: int = Field(ge=0, description="of twice as many texts")
    gold_rate: float | None = Field(description="true completions judged correct; null: none was judged")
    shuffled_rate: float | None = Field(
        description="completions of another item judged correct; null: none was judged"
    )
    expected_shuffled_rate: float = Field(description="share of those whose answers happen to be equal")


class JudgementsMeta(Artifact):
    """`judgements_meta.json`: who judged which predictions."""

    run_id: str
    evaluation_set: str
    evaluation_set_digest: str
    predictions_digest: str
    judge: str
    judge_digest: str = Field(description="digest of the identity")
    identity: JudgeIdentity
    served_models: list[str] = Field(description="models that the endpoint said it answered with")
    num_items: int = Field(ge=1)
    num_samples: int = Field(ge=1, description="predictions of each item")
    status_counts: dict[str, int] = Field(description="predictions by status of their verdict")
    mean_score: float | None = Field(description="over the items all of whose samples are scored")
    num_scored_items: int = Field(ge=0, description="those items")
    self_test: JudgeSelfTest
    ask_time_s: float = Field(description="wall seconds, self-test included")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
