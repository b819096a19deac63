"""Time the data path against bare loops over the same bytes: python benchmarks/spine.py [num_traces].

Both sides take turns in one process and medians are compared: the ratio holds on a noisy machine too.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tunix_ml.contracts.export import ExportConfig
from tunix_ml.contracts.recipe import DatasetRecipe, GeneratorSource, JsonlSource
from tunix_ml.contracts.tokens import TokenizeConfig
from tunix_ml.contracts.trace import Trace
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.exports.render import read_export, render_dataset
from tunix_ml.exports.tokenize import tokenize_split
from tunix_ml.exports.tokenizer import train_bpe
from tunix_ml.store import Store
from tunix_ml.traces.generators.catalog import generate
from tunix_ml.traces.ingest import ingest

NUM_TRACES, NUM_REPEATS, NUM_PUBLICATIONS, SEQ_LEN = 20_000, 5, 20, 1_024
VERSION = "bench-v1"
Side = Callable[[], int]


def main() -> None:
    """Run every comparison and write the table."""
    num_traces = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_TRACES
    source = GeneratorSource(kind="generator", generator="arithmetic", seed=1, num_traces=num_traces)
    sys.stdout.write(f"{'per second':<30} {'ours':>12} {'bare':>12} {'ratio':>8}\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, sides in (
            ("lines made traces", ingest_sides(Path(folder), source)),
            ("dataset built and published", build_sides(Path(folder), source)),
            ("examples tokenized and packed", tokenize_sides(Path(folder), source)),
            ("artifacts published, 2 MiB", publish_sides(Path(folder))),
        ):
            sys.stdout.write(f"{name:<30} {compare(*sides)}\n")
    sys.stdout.write(f"peak memory, bare sides included: {_peak_mib():,} MiB\n")


def ingest_sides(folder: Path, source: GeneratorSource) -> tuple[Side, Side]:
    """Validate lines and name their content, against decoding them into the same type."""
    path = folder / "traces.jsonl"
    path.write_bytes(msgspec.json.Encoder().encode_lines(trace.record() for trace in generate(source)))
    decode = msgspec.json.Decoder(Trace).decode

    def ours() -> int:
        return len(list(ingest(JsonlSource(kind="jsonl", path=path.name), base_dir=folder)))

    def bare() -> int:
        with path.open("rb") as file:
            return len([decode(line) for line in file])

    return ours, bare


def build_sides(folder: Path, source: GeneratorSource) -> tuple[Side, Side]:
    """Build a dataset version, from the file to the published tables, against decoding the file's lines."""
    path = folder / "traces.jsonl"
    recipe = DatasetRecipe(
        description="For timing.", license="Apache-2.0", source=JsonlSource(kind="jsonl", path=path.name)
    )
    entry = CatalogEntry(VERSION, recipe, folder / f"{VERSION}.yaml")
    decode = msgspec.json.Decoder(Trace).decode

    def ours() -> int:
        with tempfile.TemporaryDirectory(dir=folder) as home:
            build_dataset(Store(Path(home)), entry, report=lambda _: None)
        return source.num_traces

    def bare() -> int:
        with path.open("rb") as file:
            return sum(1 for line in file if decode(line))

    return ours, bare


def tokenize_sides(folder: Path, source: GeneratorSource) -> tuple[Side, Side]:
    """Encode, mask and place the train examples, against encoding the same texts."""
    store = Store(folder / "home")
    recipe = DatasetRecipe(description="For timing.", license="Apache-2.0", source=source)
    build_dataset(store, CatalogEntry(VERSION, recipe, folder / f"{VERSION}.yaml"), report=lambda _: None)
    export = render_dataset(store, VERSION, ExportConfig())
    records = read_export(export, "training_example", "train")
    texts = [record[field] for field in ("prompt", "response") for record in records]
    tokenizer = train_bpe(texts[:2_000], vocab_size=512)

    def ours() -> int:
        config = TokenizeConfig(seq_len=SEQ_LEN)
        return sum(shard.num_examples for shard in tokenize_split(export, "train", tokenizer, config))

    def bare() -> int:
        return len(tokenizer.backend.encode_batch_fast(texts, add_special_tokens=False)) // 2

    return ours, bare


def publish_sides(folder: Path) -> tuple[Side, Side]:
    """Publish two files of a mebibyte, against writing and flushing them."""
    data = {name: os.urandom(1 << 20) for name in ("a", "b")}

    def ours() -> int:
        for _ in range(NUM_PUBLICATIONS):
            with Store(folder / "home").slot("bench", os.urandom(8).hex()).publish() as draft:
                for name, content in data.items():
                    (draft.path / name).write_bytes(content)
        return NUM_PUBLICATIONS

    def bare() -> int:
        for _ in range(NUM_PUBLICATIONS):
            for name, content in data.items():
                with (folder / f"{name}-{os.urandom(8).hex()}").open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
        return NUM_PUBLICATIONS

    return ours, bare


def compare(ours: Side, bare: Side) -> str:
    """Return units per second of both sides, and our seconds over the bare ones."""
    rates: dict[Side, list[float]] = {ours: [], bare: []}
    for _ in range(NUM_REPEATS):
        for side, found in rates.items():
            start = time.perf_counter()
            num_units = side()
            found.append(num_units / (time.perf_counter() - start))
    medians = {side: statistics.median(found) for side, found in rates.items()}
    return f"{medians[ours]:>12,.0f} {medians[bare]:>12,.0f} {medians[bare] / medians[ours]:>8.2f}"


def _peak_mib() -> int:
    """Return the largest peak of this process and of one worker."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whose) >> 10


if __name__ == "__main__":
    main()
