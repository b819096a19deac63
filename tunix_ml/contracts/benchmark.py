"""Benchmarks: what is timed, and what was measured."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.training import Device, Precision

BenchmarkLayout = Literal["full", "packed", "padded"]


class BenchmarkConfig(BaseModel):
    """What is timed, on random parameters and random tokens; by default a minute on two cores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: str = Field(
        "small",
        min_length=1,
        description="`small`, `a`, `b`, or a `config.json`, or a folder or hub name that has one",
    )
    batch_size: int = Field(8, ge=1, description="rows of tokens in a step")
    seq_len: int = Field(128, ge=16, le=131_072, description="tokens that a step reads of a row")
    layout: BenchmarkLayout = Field(
        "packed",
        description="`full`: one example fills a row; else examples of 20 to 200 tokens, several in a row or"
        " one padded",
    )
    precision: Precision = Field("float32", description="of the products, in training and decoding")
    remat: Literal["auto", "on", "off"] = Field("auto", description="as in training")
    num_steps: int = Field(20, ge=4, description="training steps timed")
    num_rounds: int = Field(2, ge=1, description="turns in which all sides are timed; divides num_steps")
    num_prompts: int = Field(8, ge=1, description="prompts decoded together")
    prompt_len: int = Field(32, ge=1, description="tokens of each prompt")
    max_new_tokens: int = Field(32, ge=2, description="tokens written after each; there is no end token")
    device: Device = Field("auto", description="as in training")
    peer: Literal["auto", "on", "off"] = Field(
        "auto", description="time transformers + torch beside it; auto: where torch can be imported"
    )
    peer_python: str = Field(
        "", description="interpreter that has torch and transformers; empty: the one this runs in"
    )
    peer_layout: Literal["same", "padded"] = Field(
        "same", description="rows of the peer: the same rows, or the same examples padded, one in a row"
    )


class Ceiling(Artifact):
    """The fastest matrix product measured: (rows, inner) by (inner, columns)."""

    rows: int
    inner: int
    columns: int
    flops_per_second: float = Field(gt=0)


class TrainSpeed(Artifact):
    """Training, from the first timed step on."""

    losses: list[float] = Field(description="of every timed step, nats per supervised token")
    step_times_s: list[float] = Field(description="wall seconds of every timed step")
    step_time_s: float = Field(description="their median")
    compile_time_s: float = Field(
        description="wall seconds to compile; of the first step where nothing is compiled"
    )
    steps_per_second: float
    examples_per_second: float
    tokens_per_second: float = Field(description="all tokens of the rows")
    real_tokens_per_second: float = Field(description="padding left out")
    peak_memory_bytes: int = Field(description="of the device; on a CPU of the process")


class DecodeSpeed(Artifact):
    """Decoding, prompts included, once compiled."""

    decode_times_s: list[float] = Field(description="wall seconds of every timed turn")
    compile_time_s: float = Field(
        description="wall seconds of the first turn beyond the median of the others"
    )
    new_tokens_per_second: float


class Peer(Artifact):
    """The same model, trained and asked by other software."""

    name: str
    versions: dict[str, str]
    layout: BenchmarkLayout
    train: TrainSpeed
    decode: DecodeSpeed
    train_ratio: float = Field(description="our real tokens per second over the peer's")
    decode_ratio: float = Field(description="our new tokens per second over the peer's")


class BenchmarkReport(Artifact):
    """`benchmark.json`: one benchmark, nothing in it unknown."""

    config: BenchmarkConfig
    device: str = Field(description="platform and kind")
    model_type: str
    num_params: int
    flops_per_token: float = Field(
        description="floating-point operations of forward and backward for one token"
    )
    ceiling: Ceiling
    utilisation: float = Field(description="flops_per_token times tokens per second, over the ceiling")
    train: TrainSpeed
    decode: DecodeSpeed
    peers: list[Peer] = Field(description="empty where torch was not there or not asked for")
    versions: dict[str, str]
    measured_at: str = Field(description="UTC, ISO 8601")


class BenchmarkEntry(Artifact):
    """A line of `history.jsonl`: an earlier benchmark, or this one in the last line."""

    measured_at: str
    work: str = Field(description="digest of device and configuration: equal where speeds can be compared")
    label: str = Field(description="the same for people")
    real_tokens_per_second: float
    new_tokens_per_second: float
    utilisation: float
