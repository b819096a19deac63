"""Time the training step against its own matrix products, and against torch where an interpreter has it.

    python benchmarks/train_step.py [--torch-python PATH] [--shapes a b] [--num-rounds 5]

All sides take turns of three steps, and medians are compared: the ratios hold on a noisy machine too. CPU
seconds of all threads stand beside the wall time. Set GLIBC_TUNABLES as the workers of the assets do.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tunix_ml.benchmark.ceiling import flops_per_token
from tunix_ml.benchmark.engine import recipe_of
from tunix_ml.benchmark.shapes import SHAPES, model_shape, network_of
from tunix_ml.benchmark.workload import make_workload
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.contracts.training import ExecutionConfig, Precision
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.training.placement import make_placement
from tunix_ml.training.step import compile_steps, init_state

LENGTH, STEPS_PER_TURN = 128, 3
NUM_ROWS = {"a": 16, "b": 4}
TORCH_MODES: dict[Precision, tuple[str, ...]] = {
    "float32": ("float32",),
    "bfloat16": ("autocast", "bfloat16"),
}


class Seconds(NamedTuple):
    """Of one step: on the wall, and of all threads."""

    wall: float
    cpu: float


Step = Callable[[], Seconds]


def main() -> None:
    """Write a table of every shape and precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch-python", help="an interpreter that has torch and transformers")
    parser.add_argument("--shapes", nargs="+", choices=sorted(NUM_ROWS), default=sorted(NUM_ROWS))
    parser.add_argument(
        "--precisions", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"]
    )
    parser.add_argument("--num-rounds", type=int, default=5)
    options = parser.parse_args()
    header = ("shape precision side", "wall ms", "CPU ms", "GFLOP/s", "wall ratio", "CPU ratio")
    sys.stdout.write(f"{header[0]:<28}" + "".join(f"{name:>12}" for name in header[1:]) + "\n")
    for shape in options.shapes:
        for precision in options.precisions:
            compare(shape, precision, torch_python=options.torch_python, num_rounds=options.num_rounds)


def compare(shape: str, precision: Precision, *, torch_python: str | None, num_rounds: int) -> None:
    """Write the rows of one shape and precision; a ratio is a side's time over the step's."""
    config = BenchmarkConfig(
        shape=shape, batch_size=NUM_ROWS[shape], seq_len=LENGTH, layout="full", precision=precision
    )
    sides: dict[str, Step] = {"step": engine_step(config), "its products": products_of(config)}
    if torch_python:
        for mode in TORCH_MODES[precision]:
            sides[f"torch {mode}"] = torch_step(torch_python, config, mode)
    found = take_turns(sides, num_rounds)
    flops = flops_per_token(model_shape(shape), seq_len=LENGTH) * NUM_ROWS[shape] * LENGTH
    ours = found["step"]
    for name, seconds in found.items():
        numbers = f"{1e3 * seconds.wall:12.1f}{1e3 * seconds.cpu:12.1f}{flops / seconds.wall / 1e9:12.0f}"
        ratios = f"{seconds.wall / ours.wall:12.2f}{seconds.cpu / ours.cpu:12.2f}"
        sys.stdout.write(f"{f'{shape} {precision} {name}':<28}{numbers}{ratios}\n")
        sys.stdout.flush()


def take_turns(sides: dict[str, Step], num_rounds: int) -> dict[str, Seconds]:
    """Return the median step of each side; the first of each turn finds cold caches and is not counted."""
    found: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(num_rounds):
        for name, step in sides.items():
            found[name] += [step() for _ in range(STEPS_PER_TURN + 1)][1:]
    return {
        name: Seconds(*(statistics.median(values) for values in zip(*steps, strict=True)))
        for name, steps in found.items()
    }


def engine_step(config: BenchmarkConfig) -> Step:
    """Return the step of a training run."""
    shape, recipe, execution = model_shape(config.shape), recipe_of(config), ExecutionConfig(device="cpu")
    network, placement = network_of(shape, config), make_placement(execution)
    state, frozen = init_state(network, recipe, num_steps=1000, placement=placement)
    batch = make_workload(config, vocab_size=shape.vocab_size, layout="full").batches[0]
    steps = compile_steps(
        network,
        recipe,
        num_steps=1000,
        execution=execution,
        state=state,
        frozen=frozen,
        batch=batch,
        placement=placement,
    )

    def step() -> None:
        nonlocal state
        state, metrics = steps.train(state, frozen, placement.put_batch(batch))
        jax.block_until_ready((state, metrics))

    return lambda: timed(step)


def products_of(config: BenchmarkConfig) -> Step:
    """Return the products of a step alone, forward and of both gradients, from operands as they like them."""
    kind = jnp.bfloat16 if config.precision == "bfloat16" else jnp.float32
    multiply = jax.jit(lambda x, y: jnp.matmul(x, y, preferred_element_type=jnp.float32))
    sizes = product_sizes(model_shape(config.shape), NUM_ROWS[config.shape] * LENGTH)
    operands = {
        (rows, inner, columns): (jnp.ones((rows, inner), kind), jnp.ones((inner, columns), kind))
        for rows, inner, columns in sizes
    }

    def step() -> Seconds:
        times = [
            (timed(lambda size=size: multiply(*operands[size]).block_until_ready()), number)
            for size, number in sizes.items()
        ]
        return Seconds(*(sum(seconds[axis] * number for seconds, number in times) for axis in (0, 1)))

    return step


def product_sizes(shape: ModelConfig, rows: int) -> Counter[tuple[int, int, int]]:
    """Return (rows, inner, columns) of each product of a step, and how often it is done."""
    width, inner, layers = shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers
    kernels = {(width, 3 * width): layers, (width, width): layers, (width, inner): layers}
    kernels |= {(inner, width): layers, (width, shape.vocab_size): 1}
    sizes: Counter[tuple[int, int, int]] = Counter()
    for (num_in, num_out), number in kernels.items():
        for size in ((rows, num_in, num_out), (rows, num_out, num_in), (num_in, rows, num_out)):
            sizes[size] += number
    return sizes


def torch_step(python: str, config: BenchmarkConfig, mode: str) -> Step:
    """Return the step of a process with torch."""
    values = {name: value for name, value in SHAPES[config.shape].items() if name != "model_type"}
    script = Path(__file__).with_name("torch_step.py")
    process = subprocess.Popen(  # noqa: S603 - an interpreter that the user names
        [python, str(script), json.dumps(values), mode, str(NUM_ROWS[config.shape]), str(LENGTH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def step() -> Seconds:
        process.stdin.write("step\n")
        process.stdin.flush()
        return Seconds(*json.loads(process.stdout.readline()))

    return step


def timed(work: Callable[[], object]) -> Seconds:
    """Return the seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()
