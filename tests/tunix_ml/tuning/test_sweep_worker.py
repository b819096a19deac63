import subprocess
import sys
from collections.abc import Callable

from tunix_ml.tuning.sweep import SweepJob


def test_a_sweep_that_is_refused_ends_the_process_with_one_sentence(
    make_job: Callable[..., SweepJob],
) -> None:
    job = make_job(space={"device": {"choice": ["cpu", "auto"]}})
    path = job.home / "job.json"
    path.write_bytes(job.to_json())
    command = [sys.executable, "-m", "tunix_ml.tuning.sweep_worker", str(path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 1
    assert done.stderr == (
        "swept field 'device' changes nothing about a run: it only says how the run is executed\n"
    )
