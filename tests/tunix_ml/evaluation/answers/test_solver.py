import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_ml.contracts.base import TunixError
from tunix_ml.evaluation.answers import solver as solver_module
from tunix_ml.evaluation.answers.solver import Solver
from tunix_ml.evaluation.answers.verdict import Verdict

ENDLESS = r"\binom{1000000000}{500000000}"


# A process that serves as the true one does, without sympy, which takes seconds to load.
STAND_IN = """
import sys, types
from tunix_ml.evaluation.answers import solver_process
from tunix_ml.evaluation.answers.verdict import Verdict

mathematics = types.SimpleNamespace(compare=lambda expected, given: Verdict("equal", "math"))
sys.modules["tunix_ml.evaluation.answers.mathematics"] = mathematics
solver_process._warm_up = lambda: None
solver_process.main()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(solver_module, "_MODULE", "stand_in")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver(limit_s=1.0) as found:
        yield found


def test_the_solver_compares_expressions(solver: Solver) -> None:
    assert solver.compare(r"2\sqrt{5}", r"\sqrt{20}") == Verdict("equal", "math")
    assert solver.compare("(1, 2)", r"\{1, 2\}") == Verdict("different", "math")


def test_an_answer_without_end_is_a_timeout_and_the_next_is_judged(solver: Solver) -> None:
    start = time.monotonic()

    verdict = solver.compare("5", ENDLESS)

    assert verdict == Verdict("timeout", "math", "took more than 1 s")
    assert time.monotonic() - start < 10
    assert solver.compare("5", "x = 5").outcome == "equal"


@pytest.mark.parametrize("text", ["", "\n", "5\n5", "\0", "\ud800", "é" * 1_000_000, '"}\n{"', "{" * 100_000])
def test_any_text_goes_through_the_pipe(solver: Solver, text: str) -> None:
    assert solver.compare("5", text).outcome in {"different", "timeout", "error"}
    assert solver.compare("5", "5").outcome == "equal"


@pytest.mark.usefixtures("stand_in")
def test_a_solver_that_was_killed_is_started_again() -> None:
    with Solver() as solver:
        assert solver.compare("5", "5").outcome == "equal"
        assert solver._process is not None
        solver._process.kill()

        assert solver.compare("5", "5") == Verdict("error", "math", "the solver ended without an answer")
        assert solver.compare("5", "5").outcome == "equal"


@pytest.mark.usefixtures("stand_in")
def test_a_solver_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver_module, "_GRACE_S", 0.2)
    with Solver(limit_s=0.1) as solver:
        solver.compare("5", "5")
        assert solver._process is not None
        pid = solver._process.pid
        os.kill(pid, signal.SIGSTOP)

        verdict = solver.compare("5", "5")

        assert verdict == Verdict("error", "math", "the solver ended without an answer")
        assert not is_running(pid)


@pytest.mark.usefixtures("stand_in")
def test_no_process_outlives_the_block() -> None:
    with Solver() as solver:
        solver.compare("5", "5")
        assert solver._process is not None
        pid = solver._process.pid

    assert not is_running(pid)


def test_a_solver_that_is_not_asked_starts_nothing() -> None:
    with Solver() as solver:
        assert solver._process is None


def test_a_solver_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver_module, "_MODULE", "tunix_ml.evaluation.no_such_module")

    with Solver() as solver, pytest.raises(TunixError, match=r"did not start: .*no_such_module"):
        solver.compare("5", "5")


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_the_solver_and_its_forks_die_with_the_process_that_asks() -> None:
    program = (
        "from tunix_ml.evaluation.answers.solver import Solver\n"
        "with Solver(limit_s=60) as solver:\n"
        "    solver.compare('5', '5')\n"
        "    print(solver._process.pid, flush=True)\n"
        f"    solver.compare('5', {ENDLESS!r})\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    solver = int(asking.stdout.readline())
    children = Path(f"/proc/{solver}/task/{solver}/children")
    wait_for(lambda: children.read_text().split())
    (fork,) = children.read_text().split()

    asking.kill()
    asking.communicate()

    wait_for(lambda: not is_running(solver) and not is_running(int(fork)))


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: "object") -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
