"""What a benchmark leaves behind: its numbers, a table, a plot, and the benchmarks before it.

lake/throughput_benchmark/all/<digest>/benchmark.json   the report
                                       table.md         the same for people
                                       plot.svg         tokens per second of every side
                                       history.jsonl    one line for each benchmark so far, this one last
"""

from collections.abc import Sequence
from html import escape

from tunix_ml.contracts.benchmark import BenchmarkEntry, BenchmarkReport, Peer
from tunix_ml.contracts.canonical import canonical_json, sha256_hex
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

ASSET, KEY = "throughput_benchmark", "all"
REPORT_FILE, TABLE_FILE, PLOT_FILE, HISTORY_FILE = "benchmark.json", "table.md", "plot.svg", "history.jsonl"
CODE_PARTS = ("benchmark", "contracts", "inference", "modeling", "training")
_MOST_ENTRIES = 500
_NOT_WORK = {"peer", "peer_python", "peer_layout", "num_steps", "num_rounds"}
_BAR, _GAP, _LEFT, _WIDTH = 18, 8, 250, 640


def publish_benchmark(store: Store, report: BenchmarkReport) -> Snapshot:
    """Publish a report, its table and plot, and the history with it."""
    slot = store.slot(ASSET, KEY)
    history = [*_history(slot), entry_of(report)][-_MOST_ENTRIES:]
    with slot.publish(code_version=source_digest(*CODE_PARTS)) as draft:
        (draft.path / REPORT_FILE).write_bytes(report.to_json())
        (draft.path / TABLE_FILE).write_text(markdown(rows_of(report)), encoding="utf-8")
        (draft.path / PLOT_FILE).write_text(plot(report), encoding="utf-8")
        (draft.path / HISTORY_FILE).write_bytes(b"".join(entry.to_json() for entry in history))
    return draft.snapshot


def read_history(snapshot: Snapshot) -> list[BenchmarkEntry]:
    """Return the benchmarks so far, the one of the snapshot last."""
    path = snapshot.file(HISTORY_FILE)
    lines = path.read_bytes().splitlines()
    return [BenchmarkEntry.parse(line, subject=f"{path} line {i}") for i, line in enumerate(lines, start=1)]


def entry_of(report: BenchmarkReport) -> BenchmarkEntry:
    """Return the line of a report in the history."""
    config = report.config
    work = {"device": report.device, **config.model_dump(mode="json", exclude=_NOT_WORK)}
    return BenchmarkEntry(
        measured_at=report.measured_at,
        work=sha256_hex(canonical_json(work)),
        label=f"{config.shape}, {config.batch_size} x {config.seq_len} {config.layout}, {config.precision},"
        f" {report.device}",
        real_tokens_per_second=report.train.real_tokens_per_second,
        new_tokens_per_second=report.decode.new_tokens_per_second,
        utilisation=report.utilisation,
    )


def rows_of(report: BenchmarkReport) -> list[list[str]]:
    """Return the table of a report: names, then the engine's values and those of each peer."""
    sides: list[BenchmarkReport | Peer] = [report, *report.peers]
    share = report.flops_per_token / report.ceiling.flops_per_second
    trains, decodes = [side.train for side in sides], [side.decode for side in sides]
    return [
        ["", "engine", *(peer.name for peer in report.peers)],
        ["steps per second", *(f"{train.steps_per_second:.2f}" for train in trains)],
        ["step, median ms", *(f"{1e3 * train.step_time_s:.1f}" for train in trains)],
        ["examples per second", *(f"{train.examples_per_second:,.1f}" for train in trains)],
        ["tokens per second", *(f"{train.tokens_per_second:,.0f}" for train in trains)],
        ["real tokens per second", *(f"{train.real_tokens_per_second:,.0f}" for train in trains)],
        ["utilisation", *(f"{train.tokens_per_second * share:.1%}" for train in trains)],
        ["compile or first step, s", *(f"{train.compile_time_s:.1f}" for train in trains)],
        ["peak memory, MiB", *(f"{train.peak_memory_bytes / 2**20:,.0f}" for train in trains)],
        ["decoded tokens per second", *(f"{decode.new_tokens_per_second:,.0f}" for decode in decodes)],
    ]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose first row is the head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body]) + "\n"


def plot(report: BenchmarkReport) -> str:
    """Return a picture of the tokens per second: a bar for each side, training above decoding."""
    sides = [("engine", report.train, report.decode)]
    sides += [(f"{peer.name}, {peer.layout}", peer.train, peer.decode) for peer in report.peers]
    training = [(f"trained: {name}", train.real_tokens_per_second) for name, train, _ in sides]
    decoding = [(f"decoded: {name}", decode.new_tokens_per_second) for name, _, decode in sides]
    bars = [*_bars(training, top=0), *_bars(decoding, top=len(training))]
    height = _GAP + len(bars) * (_BAR + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"'
        ' font-family="sans-serif" font-size="12">'
        "<title>real tokens per second</title>" + "".join(bars) + "</svg>\n"
    )


def _bars(values: Sequence[tuple[str, float]], *, top: int) -> list[str]:
    """Return one bar for each value, the longest as wide as there is room."""
    longest, room = max(value for _, value in values), _WIDTH - _LEFT - 80
    drawn = []
    for index, (name, value) in enumerate(values, start=top):
        y, width = _GAP + index * (_BAR + _GAP), max(1, round(room * value / longest))
        drawn.append(
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width}" height="{_BAR}" fill="#3b82f6"/>'
            f'<text x="{_LEFT + width + 6}" y="{y + 13}">{value:,.0f}</text>'
        )
    return drawn


def _history(slot: Slot) -> list[BenchmarkEntry]:
    try:
        return read_history(slot.resolve())
    except NotPublished:
        return []
