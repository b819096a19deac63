from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from tunix_ml.training.step import StepMetrics
from tunix_ml.training.tracing import StepTrace


def run(folder: str, *, after_step: int, num_steps: int, fails_at: int | None = None) -> list[str]:
    reports: list[str] = []
    trace = StepTrace(folder, after_step=after_step, num_steps=num_steps, report=reports.append)
    for step in range(after_step + 1, num_steps + 1):
        trace.before(step)
        loss = jax.jit(lambda x: x * 2)(jnp.float32(step))
        if step == fails_at:
            break
        trace.after(step, StepMetrics(loss, loss, loss))
    trace.close()
    return reports


@pytest.mark.parametrize(
    ("after_step", "num_steps", "traced"), [(0, 20, "4 to 6"), (10, 20, "14 to 16"), (0, 2, "2 to 2")]
)
def test_a_few_steps_after_the_first_ones_are_traced(
    tmp_path: Path, after_step: int, num_steps: int, traced: str
) -> None:
    reports = run(str(tmp_path / "trace"), after_step=after_step, num_steps=num_steps)

    assert reports == [f"trace of the steps {traced} in {tmp_path / 'trace'}"]
    assert any((tmp_path / "trace").rglob("perfetto_trace.json.gz"))
    assert any((tmp_path / "trace").rglob("*.xplane.pb"))


def test_without_a_folder_nothing_is_traced() -> None:
    assert run("", after_step=0, num_steps=9) == []


def test_a_trace_ends_with_a_run_that_fails_in_it(tmp_path: Path) -> None:
    run(str(tmp_path), after_step=0, num_steps=9, fails_at=5)

    assert any(tmp_path.rglob("perfetto_trace.json.gz"))
