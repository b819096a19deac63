"""Time and memory of the data path as it grows: python benchmarks/data_at_scale.py [num_traces ...].

Generated traces go through every stage, each in a process of its own, so that its peak of memory is its own:
ingest, the checks of the dataset, its quality, the export and its checks, the tokens and theirs. Beside them
run the two bare loops that the stages are measured by: a strict decode of the lines, and an encoding of the
texts in batches. With several sizes the last column says how much more processor time a row takes than at the
size before: 1.00 is linear, and the start of a process makes it less. Processor time, because it is nearly
the same on a busy machine.
"""

# ruff: noqa: ARG001, PLC0415 - a stage loads what it needs, in a process of its own
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

SIZES = (10_000, 100_000)
VERSION, SEQ_LEN, SEED = "scale-v1", 1_024, 1
_TEXTS_AT_ONCE = 16_384
_LINES_AT_ONCE = 10_000


class Measured(NamedTuple):
    """What one stage took."""

    wall_s: float
    cpu_s: float
    peak_mib: int


def main() -> None:
    """Run every stage at every size and write a table."""
    if sys.argv[1:2] == ["stage"]:
        run_stage(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        return
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    before: dict[str, float] = {}
    for size in sizes:
        head = f"{size:,} traces"
        write(f"{head:<24} {'wall s':>9} {'cpu s':>9} {'rows/s':>10} {'peak MiB':>9} {'growth':>7}")
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for name in STAGES:
                found[name] = measure(name, Path(folder), size)
                write(told(name, found[name], size, before=before.get(name)))
                before[name] = found[name].cpu_s / size
        for ours, bare in (("ingest", "bare decode"), ("tokens", "bare encode")):
            wall, cpu = (found[bare][side] / found[ours][side] for side in (0, 1))
            write(f"{ours} at {wall:.2f} of the rate of the {bare}, {cpu:.2f} by processor time")


def told(name: str, measured: Measured, size: int, *, before: float | None) -> str:
    """Return a line of the table; `before` is the processor time of a row at the size before."""
    growth = "" if before is None else f"{measured.cpu_s / size / before:.2f}"
    return (
        f"{name:<24} {measured.wall_s:>9.1f} {measured.cpu_s:>9.1f}"
        f" {size / measured.wall_s:>10,.0f} {measured.peak_mib:>9,} {growth:>7}"
    )


def measure(name: str, folder: Path, num_traces: int) -> Measured:
    """Run one stage in a process of its own."""
    command = [sys.executable, __file__, "stage", name, str(folder), str(num_traces)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - this very file
    return Measured(*json.loads(done.stdout))


def run_stage(name: str, folder: Path, num_traces: int) -> None:
    """Do a stage and write what it took to the standard output."""
    stage = STAGES[name](folder, num_traces)
    start, cpu = time.perf_counter(), _cpu_s()
    stage()
    write(json.dumps(Measured(time.perf_counter() - start, _cpu_s() - cpu, _peak_mib())))


def write(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


Stage = Callable[[], object]


def generate_stage(folder: Path, num_traces: int) -> Stage:
    """Make the source: a file of lines."""
    from tunix_ml.contracts.recipe import GeneratorSource
    from tunix_ml.traces.generators.catalog import generate

    source = GeneratorSource(kind="generator", generator="arithmetic", seed=SEED, num_traces=num_traces)
    encode = msgspec.json.Encoder().encode_lines

    def run() -> None:
        traces = generate(source)
        with (folder / "traces.jsonl").open("wb") as file:
            while some := list(itertools.islice(traces, _LINES_AT_ONCE)):
                file.write(encode(some))

    return run


def decode_stage(folder: Path, num_traces: int) -> Stage:
    """Decode the lines strictly into the type of a trace, and do nothing with them."""
    from tunix_ml.contracts.trace import Trace

    decode = msgspec.json.Decoder(Trace).decode

    def run() -> None:
        with (folder / "traces.jsonl").open("rb") as file:
            assert sum(1 for line in file if decode(line)) == num_traces  # noqa: S101 - what is timed

    return run


def ingest_stage(folder: Path, num_traces: int) -> Stage:
    """Build and publish the dataset version."""
    from tunix_ml.contracts.recipe import DatasetRecipe, JsonlSource
    from tunix_ml.datasets.build import build_dataset
    from tunix_ml.datasets.catalog import CatalogEntry
    from tunix_ml.store import Store

    source = JsonlSource(kind="jsonl", path="traces.jsonl")
    recipe = DatasetRecipe(description="For timing.", license="Apache-2.0", source=source)
    entry = CatalogEntry(VERSION, recipe, folder / f"{VERSION}.yaml")
    return lambda: build_dataset(Store(folder / "home"), entry, report=lambda _: None)


def quality_stage(folder: Path, num_traces: int) -> Stage:
    """Examine the dataset version and publish what was found."""
    from tunix_ml.datasets.quality.publish import publish_quality
    from tunix_ml.store import Store

    return lambda: publish_quality(Store(folder / "home"), VERSION)


def export_stage(folder: Path, num_traces: int) -> Stage:
    """Write the three formats."""
    from tunix_ml.contracts.export import ExportConfig
    from tunix_ml.exports.render import render_dataset
    from tunix_ml.store import Store

    return lambda: render_dataset(Store(folder / "home"), VERSION, ExportConfig())


def tokens_stage(folder: Path, num_traces: int) -> Stage:
    """Tokenize and pack, the training of the tokenizer left out: it is there already.

    Libraries load before the clock starts, also those that load with the first tokenizer and array.
    """
    import pandas  # noqa: F401 - pyarrow imports it with its first array
    from transformers import AutoTokenizer

    from tunix_ml.contracts.tokens import TokenizeConfig
    from tunix_ml.exports.tokenize import tokenize_export
    from tunix_ml.store import Store

    config = TokenizeConfig(tokenizer=str(_tokenizer(folder)), seq_len=SEQ_LEN)
    AutoTokenizer.from_pretrained(config.tokenizer)
    return lambda: tokenize_export(Store(folder / "home"), VERSION, config)


def encode_stage(folder: Path, num_traces: int) -> Stage:
    """Encode the texts that the tokens are made of, some thousand at once, and do nothing with the ids."""
    from tunix_ml.exports.render import export_records
    from tunix_ml.exports.tokenize import TOKENIZED_SPLITS
    from tunix_ml.exports.tokenizer import load_tokenizer
    from tunix_ml.store import Store

    export = Store(folder / "home").slot("sft_export", VERSION).resolve()
    backend = load_tokenizer(_tokenizer(folder)).backend

    def run() -> None:
        for split in TOKENIZED_SPLITS:
            records = export_records(export, "training_example", split)
            while some := list(itertools.islice(records, _TEXTS_AT_ONCE // 2)):
                texts = [record[name] for record in some for name in ("prompt", "response")]
                backend.encode_batch_fast(texts, add_special_tokens=False)

    return run


def checks_stage(asset: str) -> Callable[[Path, int], Stage]:
    """Return the stage that runs every check of an asset."""

    def stage(folder: Path, num_traces: int) -> Stage:
        from asset_checks.catalog import PARTITIONED_CHECKS
        from asset_checks.outcome import Subject
        from tunix_ml.store import Store

        store = Store(folder / "home")
        slot = store.slot(asset, VERSION)
        subject = Subject(store, VERSION, slot, slot.resolve())

        def run() -> None:
            for check in PARTITIONED_CHECKS:
                if check.asset == asset:
                    start = time.perf_counter()
                    outcome = check.function(subject)
                    took = time.perf_counter() - start
                    verdict = "" if outcome.passed else f": {outcome.description:.200}"
                    sys.stderr.write(f"  {check.name} {took:.1f} s, {_peak_mib():,} MiB so far{verdict}\n")

        return run

    return stage


def _tokenizer(folder: Path) -> Path:
    """Return the folder of a small tokenizer, trained on the start of the export."""
    from tunix_ml.exports.render import export_records
    from tunix_ml.exports.tokenizer import train_bpe
    from tunix_ml.store import Store

    if not (folder / "tokenizer").is_dir():
        export = Store(folder / "home").slot("sft_export", VERSION).resolve()
        records = itertools.islice(export_records(export, "training_example", "train"), 2_000)
        texts = [record[name] for record in records for name in ("prompt", "response")]
        train_bpe(texts, vocab_size=512).save(folder / "tokenizer")
    return folder / "tokenizer"


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_mib() -> int:
    """Return the peak of this process with those of its workers: at most two here, taken as alike."""
    own, child = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (own + 2 * child) >> 10


STAGES: dict[str, Callable[[Path, int], Stage]] = {
    "generate": generate_stage,
    "bare decode": decode_stage,
    "ingest": ingest_stage,
    "dataset checks": checks_stage("dataset"),
    "quality": quality_stage,
    "quality checks": checks_stage("dataset_quality"),
    "export": export_stage,
    "export checks": checks_stage("sft_export"),
    "tokens": tokens_stage,
    "bare encode": encode_stage,
    "token checks": checks_stage("tokenized_examples"),
}


if __name__ == "__main__":
    main()
