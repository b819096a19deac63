"""Facts about a benchmark."""

import math
import statistics

from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.benchmark.publish import REPORT_FILE, read_history
from tunix_ml.contracts.benchmark import BenchmarkReport

LOSS_TOLERANCES = {
    "float32": 1e-3,
    "bfloat16": 3e-2,
}  # relative, after some steps of differently rounded sums
MOST_OUTLYING = 20
SLOWER_IS_NOTICED = 0.8


def benchmark_is_complete(subject: Subject) -> Outcome:
    """Every step asked for was timed, no number is missing, and none is beyond what is possible."""
    report = _report(subject)  # a null is refused here
    problems = []
    if not 0 < report.utilisation < 1:
        problems.append(f"utilisation {report.utilisation} is not between 0 and 1")
    for name, train in (("engine", report.train), *((peer.name, peer.train) for peer in report.peers)):
        num_steps = sum(seconds > 0 for seconds in train.step_times_s)
        if num_steps != report.config.num_steps:
            problems.append(f"{name}: {num_steps} steps timed, not {report.config.num_steps}")
    facts: Facts = {"utilisation": report.utilisation, "num_peers": len(report.peers)}
    return all_hold(problems, subject="benchmark", facts=facts)


def compilation_is_apart(subject: Subject) -> Outcome:
    """Compiling took its own time, and no timed step took so long that it could have held a compilation."""
    train = _report(subject).train
    slowest, median = max(train.step_times_s), statistics.median(train.step_times_s)
    facts: Facts = {"compile_time_s": train.compile_time_s, "slowest_s": slowest, "median_s": median}
    passed = train.compile_time_s > 0 and slowest <= MOST_OUTLYING * median
    return Outcome(passed, f"slowest step {slowest:.3f} s, median {median:.3f} s", facts)


def peers_do_the_same_work(subject: Subject) -> Outcome:
    """A peer that reads the same rows has the same losses."""
    report = _report(subject)
    tolerance = LOSS_TOLERANCES[report.config.precision]
    same = [peer for peer in report.peers if peer.layout == report.config.layout]
    problems = [
        f"{peer.name} has loss {theirs} at timed step {step}, the engine {ours}"
        for peer in same
        for step, (ours, theirs) in enumerate(
            zip(report.train.losses, peer.train.losses, strict=True), start=1
        )
        if not math.isclose(ours, theirs, rel_tol=tolerance)
    ]
    return all_hold(problems, subject="losses", facts={"num_peers": len(same)})


def no_slower_than_before(subject: Subject) -> Outcome:
    """The same work on the same device is not done at less than four fifths of the speed of the last time."""
    *earlier, entry = read_history(subject.snapshot)
    before = next((past for past in reversed(earlier) if past.work == entry.work), None)
    if before is None:
        return Outcome(
            True, f"there is no earlier benchmark of {entry.label}", {"num_earlier": len(earlier)}, "WARN"
        )
    ratios = {
        "training": entry.real_tokens_per_second / before.real_tokens_per_second,
        "decoding": entry.new_tokens_per_second / before.new_tokens_per_second,
    }
    told = ", ".join(f"{name} {ratio:.2f} times" for name, ratio in ratios.items())
    description = f"{told} as fast as on {before.measured_at}: {entry.label}"
    return Outcome(min(ratios.values()) >= SLOWER_IS_NOTICED, description, ratios, "WARN")


def _report(subject: Subject) -> BenchmarkReport:
    return BenchmarkReport.read(subject.snapshot.file(REPORT_FILE))


CHECKS = (
    Check("throughput_benchmark", benchmark_is_complete),
    Check("throughput_benchmark", compilation_is_apart),
    Check("throughput_benchmark", peers_do_the_same_work),
    Check("throughput_benchmark", no_slower_than_before, blocking=False),
)
