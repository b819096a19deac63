import time
from collections.abc import Callable

import pytest

from tunix_ml.contracts.training import RunIdentity
from tunix_ml.store import Store
from tunix_ml.training.metrics import read_metrics
from tunix_ml.tuning.launch import OutOfTime
from tunix_ml.tuning.measure import last_record
from tunix_ml.tuning.sweep import SweepJob
from tunix_ml.tuning.trial import TrialJob, run_trial


def test_too_little_time_is_not_begun(make_job: Callable[..., SweepJob]) -> None:
    sweep = make_job()
    job = TrialJob(
        number=4,
        home=sweep.home,
        identity=sweep.identity.base,
        execution=sweep.execution,
        step=6,
        ends_at=time.time() + 3,
    )

    with pytest.raises(OutOfTime, match=r"trial 4 was not begun: \d s are left"):
        run_trial(job, lambda line: None)


@pytest.mark.slow
def test_a_trial_comes_to_its_rung_and_goes_on_from_there(
    sums: Store, make_job: Callable[..., SweepJob]
) -> None:
    sweep, lines = make_job(), list[str]()
    identity: RunIdentity = sweep.identity.base
    run = sums.run(identity.run_id())

    for step in (3, 6):
        run_trial(
            TrialJob(number=0, home=sweep.home, identity=identity, execution=sweep.execution, step=step),
            lines.append,
        )
        record = last_record(run)
        assert record
        assert (record.step, record.stopped_by) == (step, "pause" if step == 3 else "steps")

    assert any("after step 3/6" in line for line in lines)
    assert [row.step for row in read_metrics(run.path / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
