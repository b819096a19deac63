import importlib.util
import sys
from collections.abc import Callable

import pytest

from tunix_ml.contracts.sweep import Dimension, Objective, SweepReport
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.training.metrics import read_metrics
from tunix_ml.tuning.engines import Search, engine_of
from tunix_ml.tuning.ray_engine import MissingExtra, RayEngine
from tunix_ml.tuning.sweep import SweepJob
from tunix_ml.tuning.trials import read_trials

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"
)
SPACE = {
    "learning_rate": Dimension("loguniform", (0.001, 0.1)),
    "dropout": Dimension("uniform", (0.0, 0.5)),
    "num_layers": Dimension("int", (1, 2)),
    "optimizer": Dimension("choice", ("adamw", "lion")),
}
LOSS = Objective("validation_loss", is_minimised=True)


def test_without_its_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(
        MissingExtra, match="sweep_engine 'ray' needs Ray, which is missing: `uv sync --extra ray`"
    ):
        engine_of("ray")


@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_draws_lie_in_the_space_and_are_the_same_again() -> None:
    engine, search = RayEngine(), Search(SPACE, LOSS, [], 6, seed=3)

    values = engine.propose(search)

    assert values == engine.propose(search)
    assert values
    assert 0.001 <= float(values["learning_rate"]) <= 0.1
    assert values["num_layers"] in (1, 2)
    assert engine.num_proposed_at_once(6) == 6


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trials_trained_by_ray_have_the_same_table_and_the_metrics_of_their_runs(
    sums: Store,
    make_job: Callable[..., SweepJob],
    drive: Callable[..., Snapshot],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "180")
    spec = {"first_rung_steps": 2, "num_trials": 3, "sweep_engine": "ray", "seeds": [0]}
    space = {"num_heads": {"choice": [1, 2, 3]}}

    snapshot = drive(make_job(space=space, **spec))

    report, trials = SweepReport.read(snapshot.file("sweep.json")), read_trials(snapshot)
    assert report.engine == "ray"
    assert report.status_counts == {"complete": 1, "failed": 1, "pruned": 1}
    (failed,) = [trial for trial in trials if trial.status == "failed"]
    assert failed.reason == "num_heads 3 does not divide hidden_size 16"
    best = trials[report.best]
    rows = read_metrics(sums.run(best.run_id).path / "metrics.jsonl")
    assert best.metric == rows[-1].validation_loss
    assert report.rerun_mean == best.metric
