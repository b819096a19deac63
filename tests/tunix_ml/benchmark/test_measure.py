import importlib.util
import math
from typing import Any

import pytest

from tunix_ml.benchmark.measure import measure
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.benchmark import BenchmarkConfig


def test_every_step_is_timed_once_with_its_loss(measured: Any) -> None:
    train = measured.report.train

    assert len(train.step_times_s) == len(train.losses) == 4
    assert min(train.step_times_s) > 0
    assert all(3 < loss < 6 for loss in train.losses)  # near the logarithm of 64
    assert train.compile_time_s > 0


def test_the_rates_follow_from_the_median_step(measured: Any) -> None:
    train, config = measured.report.train, measured.report.config

    assert train.tokens_per_second == pytest.approx(config.batch_size * config.seq_len / train.step_time_s)
    assert train.steps_per_second == pytest.approx(1 / train.step_time_s)
    assert 0.8 * train.tokens_per_second < train.real_tokens_per_second < train.tokens_per_second
    assert train.examples_per_second >= config.batch_size * train.steps_per_second


def test_utilisation_is_what_was_done_over_what_could_be(measured: Any) -> None:
    report = measured.report

    done = report.flops_per_token * report.train.tokens_per_second
    assert report.utilisation == pytest.approx(done / report.ceiling.flops_per_second)
    assert 0 < report.utilisation < 1


def test_decoding_writes_all_that_was_asked_for(measured: Any) -> None:
    decode = measured.report.decode

    assert len(decode.decode_times_s) == 2
    assert math.isfinite(decode.new_tokens_per_second)
    assert measured.report.peers == []


def test_progress_is_reported(measured: Any) -> None:
    assert [line.partition(" ")[0] for line in measured.lines] == [
        "matrix",
        "compiled",
        "trained",
        "trained",
        "decoded",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": 5}, "num_rounds 2 does not divide num_steps 5"),
        ({"seq_len": 65}, "has 64 positions, 65 are asked for"),
        ({"prompt_len": 61}, "has 64 positions, 65 are asked for"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tiny: BenchmarkConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        measure(tiny.model_copy(update=changes), lambda _: None)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("changes", [{}, {"precision": "bfloat16", "peer_layout": "padded"}], ids=str)
def test_a_peer_does_the_same_work_from_the_same_parameters(
    tiny: BenchmarkConfig, changes: dict[str, Any]
) -> None:
    report = measure(tiny.model_copy(update={"peer": "on", **changes}), lambda _: None)

    (peer,) = report.peers
    assert len(peer.train.step_times_s) == 4
    assert peer.train_ratio > 0
    assert set(peer.versions) == {"torch", "transformers"}
    if not changes:
        assert peer.train.losses == pytest.approx(report.train.losses, rel=1e-5)
