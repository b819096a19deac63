"""One benchmark from its configuration to its report: all sides take turns, to be equally disturbed."""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, Protocol

from tunix_ml.benchmark.ceiling import flops_per_token, measure_ceiling
from tunix_ml.benchmark.engine import EngineSide, Turn, save_fresh_model
from tunix_ml.benchmark.peer import NAME, PeerSide, PeerWork, is_peer_wanted, running_peer
from tunix_ml.benchmark.shapes import model_shape, network_of
from tunix_ml.benchmark.workload import Workload, make_prompts, make_workload
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.benchmark import BenchmarkConfig, BenchmarkReport, DecodeSpeed, Peer, TrainSpeed
from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.training.devices import describe_device
from tunix_ml.training.placement import Placement, make_placement

Report = Callable[[str], None]

_PACKAGES = ("jax", "jaxlib", "numpy")


class Side(Protocol):
    """Whoever trains and decodes in turns."""

    @property
    def compile_time_s(self) -> float:
        """Wall seconds of compilation, of the first step where nothing is compiled."""
        ...

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory taken so far."""
        ...

    def turn(self, num_steps: int) -> Turn:
        """Do some steps of training."""
        ...

    def decode(self) -> float:
        """Continue all prompts once, and return the wall seconds."""
        ...


class Timed(NamedTuple):
    """What a side's turns gave."""

    train: TrainSpeed
    decode: DecodeSpeed


def measure(config: BenchmarkConfig, report: Report) -> BenchmarkReport:
    """Time training and decoding of a model with random parameters.

    Raises:
        ContractError: the shape or the settings do not fit each other.
        DeviceNotFound: the device asked for is not on this machine.
        PeerFailed: the peer asked for is not there, or failed.
    """
    placement = make_placement(ExecutionConfig(device=config.device))
    device = placement.mesh.devices.flat[0]
    shape = model_shape(config.shape)
    _check(config, shape)
    network = network_of(shape, config)
    ceiling = measure_ceiling(
        shape, rows=config.batch_size * config.seq_len, precision=config.precision, device=device
    )
    report(f"matrix product: {ceiling.flops_per_second / 1e9:,.0f} GFLOP/s on {describe_device(device)}")
    ours, peers = _time_all(network, config, placement, report)
    flops = flops_per_token(shape, seq_len=config.seq_len)
    return BenchmarkReport(
        config=config,
        device=describe_device(device),
        model_type=shape.model_type,
        num_params=sum(value.size for value in network.abstract_params().values()),
        flops_per_token=flops,
        ceiling=ceiling,
        utilisation=flops * ours.train.tokens_per_second / ceiling.flops_per_second,
        train=ours.train,
        decode=ours.decode,
        peers=peers,
        versions={name: metadata.version(name) for name in _PACKAGES},
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _time_all(
    network: Network, config: BenchmarkConfig, placement: Placement, report: Report
) -> tuple[Timed, list[Peer]]:
    vocab_size = network.config.vocab_size
    workload = make_workload(config, vocab_size=vocab_size, layout=config.layout)
    peer_layout = "padded" if config.peer_layout == "padded" else config.layout
    peer_workload = make_workload(config, vocab_size=vocab_size, layout=peer_layout)
    prompts = make_prompts(config, vocab_size=vocab_size)
    ours = EngineSide(network, config, workload, prompts, placement)
    report(f"compiled the training step in {ours.compile_time_s:.1f} s")
    with _peers(network, config, peer_workload, prompts, placement) as sides:
        timed = _take_turns([ours, *sides], [workload, peer_workload], config, report)
        peers = [
            Peer(
                name=NAME,
                versions=side.versions,
                layout=peer_layout,
                train=theirs.train,
                decode=theirs.decode,
                train_ratio=timed[0].train.real_tokens_per_second / theirs.train.real_tokens_per_second,
                decode_ratio=timed[0].decode.new_tokens_per_second / theirs.decode.new_tokens_per_second,
            )
            for side, theirs in zip(sides, timed[1:], strict=True)
        ]
    return timed[0], peers


@contextmanager
def _peers(
    network: Network,
    config: BenchmarkConfig,
    workload: Workload,
    prompts: Sequence[Sequence[int]],
    placement: Placement,
) -> Iterator[list[PeerSide]]:
    """Yield the peers that are wanted, loaded with the model that the engine starts from."""
    if not is_peer_wanted(config):
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
        model = Path(folder, "model")
        save_fresh_model(model, network, config, placement)
        device = "cpu" if placement.mesh.devices.flat[0].platform == "cpu" else "cuda"
        work = PeerWork(model, workload, prompts)
        with running_peer(config, work, device=device, scratch=Path(folder, "peer")) as side:
            yield [side]


def _take_turns(
    sides: Sequence[Side], workloads: Sequence[Workload], config: BenchmarkConfig, report: Report
) -> list[Timed]:
    """Let the sides train in turns, then decode in turns; the first of each is not timed."""
    num_steps = config.num_steps // config.num_rounds
    turns: list[list[Turn]] = [[] for _ in sides]
    for side in sides:
        side.turn(1)
    for number in range(config.num_rounds):
        for found, side in zip(turns, sides, strict=True):
            found.append(side.turn(num_steps))
        report(f"trained in turns, {number + 1} of {config.num_rounds}")
    memory = [side.peak_memory_bytes for side in sides]
    seconds = [[side.decode()] for side in sides]
    for _ in range(config.num_rounds):
        for times, side in zip(seconds, sides, strict=True):
            times.append(side.decode())
    report(f"decoded in turns, {config.num_rounds}")
    return [
        Timed(
            _train_speed(found, workload, config, compile_time_s=side.compile_time_s, peak_memory_bytes=peak),
            _decode_speed(times, config),
        )
        for side, workload, found, peak, times in zip(sides, workloads, turns, memory, seconds, strict=False)
    ]


def _train_speed(
    turns: Sequence[Turn],
    workload: Workload,
    config: BenchmarkConfig,
    *,
    compile_time_s: float,
    peak_memory_bytes: int,
) -> TrainSpeed:
    times = [seconds for turn in turns for seconds in turn.step_times_s]
    step_time_s = statistics.median(times)
    tokens_per_second = config.batch_size * config.seq_len / step_time_s
    return TrainSpeed(
        losses=[loss for turn in turns for loss in turn.losses],
        step_times_s=times,
        step_time_s=step_time_s,
        compile_time_s=compile_time_s,
        steps_per_second=1 / step_time_s,
        examples_per_second=workload.examples_per_step / step_time_s,
        tokens_per_second=tokens_per_second,
        real_tokens_per_second=tokens_per_second * workload.real_share,
        peak_memory_bytes=peak_memory_bytes,
    )


def _decode_speed(seconds: Sequence[float], config: BenchmarkConfig) -> DecodeSpeed:
    first, *timed = seconds
    decode_time_s = statistics.median(timed)
    return DecodeSpeed(
        decode_times_s=timed,
        compile_time_s=max(first - decode_time_s, 0.0),
        new_tokens_per_second=config.num_prompts * config.max_new_tokens / decode_time_s,
    )


def _check(config: BenchmarkConfig, shape: ModelConfig) -> None:
    if config.num_steps % config.num_rounds:
        raise ContractError(f"num_rounds {config.num_rounds} does not divide num_steps {config.num_steps}")
    needed = max(config.seq_len, config.prompt_len + config.max_new_tokens)
    if needed > shape.max_position_embeddings:
        raise ContractError(
            f"shape {config.shape!r} has {shape.max_position_embeddings} positions, {needed} are asked for:"
            " lower seq_len, or prompt_len and max_new_tokens"
        )
