import json
import subprocess
import sys
from collections.abc import Callable

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.store import Store
from tunix_ml.training.loop import train


def ask(store: Store, run_id: str) -> subprocess.CompletedProcess[str]:
    config = {"max_new_tokens": 4, "predict_device": "cpu"}
    path = store.home / "job.json"
    path.write_text(json.dumps({"home": str(store.home), "run_id": run_id, "config": config}))
    return subprocess.run(
        [sys.executable, "-m", "tunix_ml.inference", str(path)], capture_output=True, text=True, check=False
    )


def test_a_job_publishes_predictions(sums: Store, identify: Callable[..., RunIdentity]) -> None:
    identity = identify(sums, num_train_steps=1)
    execution = ExecutionConfig(device="cpu")
    train(store=sums, identity=identity, execution=execution, report=lambda line: None)

    result = ask(sums, identity.run_id())

    assert (result.returncode, result.stderr) == (0, "")
    assert sums.run(identity.run_id()).slot("predictions/sums-v1.test").resolve().verify() == []


def test_a_job_for_a_run_that_does_not_exist_fails_in_a_sentence(sums: Store) -> None:
    result = ask(sums, "sums-v1.tiny.0")

    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("run 'sums-v1.tiny.0' does not exist")
