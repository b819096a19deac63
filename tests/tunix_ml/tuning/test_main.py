import json
import subprocess
import sys
from collections.abc import Callable

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.store import Store
from tunix_ml.training.metrics import read_metrics


def test_a_run_is_scored_on_the_way_where_that_is_asked_for(
    sums: Store, identify: Callable[..., RunIdentity]
) -> None:
    identity = identify(sums)
    execution = ExecutionConfig(
        device="cpu", score_every_steps=4, score_items=2, score_max_new_tokens=8, log_every_steps=2
    )
    path = sums.home / "job.json"
    job = {"home": str(sums.home), "identity": identity.model_dump(), "execution": execution.model_dump()}
    path.write_text(json.dumps(job))

    subprocess.run([sys.executable, "-m", "tunix_ml.tuning", str(path)], check=True, timeout=120)

    rows = read_metrics(sums.run(identity.run_id()).path / "metrics.jsonl")
    scores = {row.step: row.task_score for row in rows}
    assert {step for step, score in scores.items() if score is not None} == {4, 6}
    assert all(score is None or 0 <= score <= 1 for score in scores.values())
