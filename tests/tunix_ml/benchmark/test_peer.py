import sys
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.benchmark import peer
from tunix_ml.benchmark.peer import PeerFailed, PeerWork, is_peer_wanted, running_peer
from tunix_ml.benchmark.workload import make_workload
from tunix_ml.contracts.benchmark import BenchmarkConfig


@pytest.fixture
def work(tiny: BenchmarkConfig, tmp_path: Path) -> PeerWork:
    return PeerWork(tmp_path / "model", make_workload(tiny, vocab_size=64, layout="full"), [[1, 2]])


@pytest.mark.parametrize(
    ("asked", "is_installed", "wanted"),
    [("on", False, True), ("off", True, False), ("auto", True, True), ("auto", False, False)],
)
def test_a_peer_is_wanted_where_it_is_asked_for_or_simply_there(
    tiny: BenchmarkConfig, asked: Any, is_installed: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if is_installed else None)

    assert is_peer_wanted(tiny.model_copy(update={"peer": asked})) is wanted


def test_an_interpreter_that_is_named_is_asked(tiny: BenchmarkConfig) -> None:
    assert is_peer_wanted(tiny.model_copy(update={"peer": "auto", "peer_python": "/opt/torch/bin/python"}))


def test_an_interpreter_that_does_not_exist_is_named(
    tiny: BenchmarkConfig, work: PeerWork, tmp_path: Path
) -> None:
    config = tiny.model_copy(update={"peer_python": str(tmp_path / "python")})

    with (
        pytest.raises(PeerFailed, match=r"python cannot be started: .*No such file"),
        running_peer(config, work, device="cpu", scratch=tmp_path / "peer"),
    ):
        pass


def test_a_peer_that_ends_says_why(
    tiny: BenchmarkConfig, work: PeerWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit('no such model')")
    monkeypatch.setattr(peer.torch_peer, "__file__", str(script))
    config = tiny.model_copy(update={"peer_python": sys.executable})

    with (
        pytest.raises(PeerFailed, match="transformers \\+ torch failed: …no such model"),
        running_peer(config, work, device="cpu", scratch=tmp_path / "peer"),
    ):
        pass
