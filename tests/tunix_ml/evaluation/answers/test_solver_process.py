import json
import os
import subprocess
import sys

import pytest

from tunix_ml.evaluation.answers import mathematics, solver_process
from tunix_ml.evaluation.answers.solver_process import Job, judge, refuse_action
from tunix_ml.evaluation.answers.verdict import Verdict

# In the place of sympy, which takes seconds to load, stands code that does what the test says.
STAND_IN = """
import json, os, socket, subprocess, sys, time, types
from tunix_ml.evaluation.answers import solver_process
from tunix_ml.evaluation.answers.verdict import Verdict

def compare(expected, given):
    exec(given)
    return Verdict("different", "math", "done")

sys.modules["tunix_ml.evaluation.answers.mathematics"] = types.SimpleNamespace(compare=compare)
"""
JUDGE = """
jobs = [solver_process.Job(*job) for job in json.loads(sys.argv[1])]
print(json.dumps([solver_process.judge_in_fork(job) for job in jobs]))
"""
SERVE = """
solver_process._warm_up = lambda: print("warm", file=sys.stderr)
solver_process.main()
"""


def judged(*codes: str, limit_s: float = 0.5, memory_bytes: int = 1 << 30) -> list[Verdict]:
    """Let forks run some code where they would compare, and return what is said of them."""
    jobs = [Job("", code, limit_s, memory_bytes) for code in codes]
    command = [sys.executable, "-c", STAND_IN + JUDGE, json.dumps(jobs)]
    result = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [Verdict(*verdict) for verdict in json.loads(result.stdout)]


DONE = Verdict("different", "math", "done")


def test_a_fork_leaves_nothing_behind_for_the_next() -> None:
    change = "solver_process.LEFT = 1; sys.setrecursionlimit(50); sys.modules.clear()"

    assert judged(change, "assert not hasattr(solver_process, 'LEFT')", "1 + 1") == [DONE] * 3


def test_a_fork_that_takes_too_long_is_ended() -> None:
    late = Verdict("timeout", "math", "took more than 0.5 s")

    assert judged("while True: pass", "9**9**9", "time.sleep(60)", "1 + 1") == [late, late, late, DONE]


def test_a_fork_that_takes_too_much_memory_fails_alone() -> None:
    verdicts = judged("'a' * (1 << 30)", "1 + 1", memory_bytes=1 << 29)

    assert verdicts == [Verdict("error", "math", "took more than 512 MiB"), DONE]


def test_a_fork_that_crashes_fails_alone() -> None:
    verdicts = judged("os._exit(5)", "os.abort()", "raise KeyError('x')", "1 + 1")

    assert verdicts == [
        Verdict("error", "math", "the solver ended with status 5"),
        Verdict("error", "math", "the solver ended with status -6"),
        Verdict("error", "math", "the solver failed with KeyError('x')"),
        DONE,
    ]


def test_a_fork_may_not_act_on_the_machine(tmp_path) -> None:
    path = tmp_path / "touched"
    actions = [
        f"open({str(path)!r}, 'w')",
        f"os.open({str(path)!r}, os.O_CREAT)",
        f"os.system('touch {path}')",
        f"subprocess.run(['touch', {str(path)!r}])",
        f"os.mkdir({str(path)!r})",
        "os.environ['HOSTILE'] = '1'",
        "os.fork()",
        "socket.create_connection(('127.0.0.1', 9))",
        "import ctypes; ctypes.CDLL(None)",
    ]

    verdicts = judged(*actions, "open('/etc/hostname').read()")

    stopped = Verdict("error", "math", "tried to act on the machine and was stopped")
    assert verdicts == [stopped] * len(actions) + [DONE]
    assert not path.exists()


def test_replies_are_all_that_the_process_writes() -> None:
    noise = "print('noise', flush=True); os.write(1, b'noise'); os.write(2, b'noise'); sys.stdin.read()"
    jobs = [Job("", code, 0.5, 1 << 30)._asdict() for code in (noise, "1 + 1")]

    result = subprocess.run(
        [sys.executable, "-c", STAND_IN + SERVE],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert [json.loads(line) for line in result.stdout.splitlines()] == ["ready", [*DONE], [*DONE]]
    assert result.stderr == "warm\n"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (MemoryError(), "took more than 1 MiB"),
        (RecursionError("deep"), "the solver failed with RecursionError('deep')"),
    ],
)
def test_a_failure_is_an_error_and_no_difference(
    monkeypatch: pytest.MonkeyPatch, error: Exception, detail: str
) -> None:
    def fail(expected: str, given: str) -> Verdict:
        raise error

    monkeypatch.setattr(mathematics, "compare", fail)

    assert judge(Job("5", "5", 1.0, 1 << 20)) == Verdict("error", "math", detail)


def test_reading_files_and_importing_are_no_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)

    for event, arguments in [("open", ("x", "r", os.O_RDONLY)), ("os.listdir", (".",)), ("import", ("os",))]:
        refuse_action(event, arguments)
    assert ended == []

    refuse_action("open", ("x", "w", os.O_WRONLY))
    refuse_action("os.system", ("id",))
    assert ended == [solver_process._FORBIDDEN_STATUS] * 2
