from typing import Any

import pytest

from asset_checks import throughput_benchmark
from asset_checks.outcome import Check, Subject
from tunix_ml.benchmark.publish import ASSET, KEY, publish_benchmark
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.benchmark import (
    BenchmarkConfig,
    BenchmarkReport,
    Ceiling,
    DecodeSpeed,
    Peer,
    TrainSpeed,
)
from tunix_ml.store import Store

TRAIN = TrainSpeed(
    losses=[4.0, 3.5, 3.2, 3.0],
    step_times_s=[0.1, 0.1, 0.11, 0.1],
    step_time_s=0.1,
    compile_time_s=2.0,
    steps_per_second=10.0,
    examples_per_second=80.0,
    tokens_per_second=1000.0,
    real_tokens_per_second=900.0,
    peak_memory_bytes=10**8,
)
DECODE = DecodeSpeed(decode_times_s=[0.5, 0.5], compile_time_s=1.0, new_tokens_per_second=500.0)
PEER = Peer(
    name="peer", versions={}, layout="packed", train=TRAIN, decode=DECODE, train_ratio=1.0, decode_ratio=1.0
)
REPORT = BenchmarkReport(
    config=BenchmarkConfig(num_steps=4),
    device="cpu",
    model_type="llama",
    num_params=1000,
    flops_per_token=6000.0,
    ceiling=Ceiling(rows=64, inner=64, columns=64, flops_per_second=1e7),
    utilisation=0.6,
    train=TRAIN,
    decode=DECODE,
    peers=[PEER],
    versions={"jax": "0"},
    measured_at="2026-01-01T00:00:00+00:00",
)


def published(store: Store, *reports: BenchmarkReport) -> Subject:
    snapshots = [publish_benchmark(store, report) for report in reports]
    return Subject(store, KEY, store.slot(ASSET, KEY), snapshots[-1])


def changed(**changes: Any) -> BenchmarkReport:
    return REPORT.model_copy(update=changes)


def trained(**changes: Any) -> TrainSpeed:
    return TRAIN.model_copy(update=changes)


@pytest.mark.parametrize("check", throughput_benchmark.CHECKS, ids=lambda check: check.name)
def test_a_sound_benchmark_passes_every_check(store: Store, check: Check) -> None:
    outcome = check.function(published(store, REPORT))

    assert outcome.passed, outcome.description


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (changed(utilisation=1.2), "utilisation 1.2 is not between 0 and 1"),
        (changed(utilisation=0.0), "utilisation 0.0 is not between 0 and 1"),
        (changed(train=trained(step_times_s=[0.1])), "engine: 1 steps timed, not 4"),
        (changed(train=trained(step_times_s=[0.1, 0.1, 0.0, 0.1])), "engine: 3 steps timed, not 4"),
    ],
    ids=["too good", "nothing done", "too few steps", "no time"],
)
def test_a_number_that_cannot_be_is_found(store: Store, report: BenchmarkReport, problem: str) -> None:
    outcome = throughput_benchmark.benchmark_is_complete(published(store, report))

    assert not outcome.passed
    assert problem in outcome.description


def test_a_null_is_refused_with_its_name(store: Store, tampered: Any, edit_json: Any) -> None:
    subject = tampered(published(store, REPORT).slot, edit_json("benchmark.json", utilisation=None))

    with pytest.raises(ContractError, match="utilisation: Input should be a valid number"):
        throughput_benchmark.benchmark_is_complete(subject)


@pytest.mark.parametrize(
    "train", [trained(compile_time_s=0.0), trained(step_times_s=[3.0, 0.1, 0.1, 0.1])], ids=["none", "inside"]
)
def test_a_compilation_within_the_timed_steps_is_found(store: Store, train: TrainSpeed) -> None:
    outcome = throughput_benchmark.compilation_is_apart(published(store, changed(train=train)))

    assert not outcome.passed


def test_a_peer_with_other_losses_is_found(store: Store) -> None:
    other = PEER.model_copy(update={"train": trained(losses=[4.0, 3.5, 3.3, 3.0])})

    outcome = throughput_benchmark.peers_do_the_same_work(published(store, changed(peers=[other])))

    assert not outcome.passed
    assert "peer has loss 3.3 at timed step 3, the engine 3.2" in outcome.description


def test_a_peer_that_reads_other_rows_is_not_compared(store: Store) -> None:
    other = PEER.model_copy(update={"layout": "padded", "train": trained(losses=[9.0])})

    outcome = throughput_benchmark.peers_do_the_same_work(published(store, changed(peers=[other])))

    assert (outcome.passed, outcome.facts["num_peers"]) == (True, 0)


def test_a_slow_down_is_warned_of(store: Store) -> None:
    slower = changed(train=trained(real_tokens_per_second=600.0), measured_at="later")

    outcome = throughput_benchmark.no_slower_than_before(published(store, REPORT, slower))

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert "training 0.67 times, decoding 1.00 times as fast as on 2026-01-01" in outcome.description


def test_other_work_is_no_measure_of_speed(store: Store) -> None:
    larger = changed(
        config=BenchmarkConfig(num_steps=4, batch_size=64), train=trained(real_tokens_per_second=1.0)
    )

    outcome = throughput_benchmark.no_slower_than_before(published(store, REPORT, larger))

    assert outcome.passed
    assert "there is no earlier benchmark of small, 64 x 128" in outcome.description
