"""Time refilled rows against fixed batches: python benchmarks/refill.py [SHAPE …].

Texts of very different lengths are written by rows that take up a new prompt as soon as theirs has ended,
and by batches that each wait for their longest text. Both take turns in one run: the ratio holds on a noisy
machine too. Wall and CPU seconds are given, because sharing cores distorts the one and not the other.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from tunix_ml.benchmark.shapes import model_shape
from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.inference.decode import Request, decode
from tunix_ml.inference.programs import Weights, prepare
from tunix_ml.modeling.decoder import Network
from tunix_ml.worker import restart_with_worker_environment

BATCH_SIZE, NUM_PROMPTS, MAX_NEW_TOKENS, NUM_REPEATS = 16, 96, 256, 5
ENDS_SHARE = (
    32  # one token in so many ends a text: with likelihoods about equal, texts have so many in the mean
)


class Turn(NamedTuple):
    """One side's texts, and the seconds they took."""

    ids: list[list[int]]
    wall_s: float
    cpu_s: float


def main() -> None:
    """Compare the two for every shape and write a line for each."""
    restart_with_worker_environment()
    print_line("tokens per second", "refilled", "fixed", "wall ratio", "CPU ratio", "same texts")
    for name in sys.argv[1:] or ["a", "b"]:
        network = Network(model_shape(name))
        weights = prepare(jax.jit(network.init)(jax.random.key(0)), network=network)
        compare(name, network, weights)


def compare(name: str, network: Network, weights: Weights) -> None:
    """Write the same texts in both ways, in turn."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(17, 33, NUM_PROMPTS)
    prompts = [rng.integers(network.config.vocab_size, size=length).tolist() for length in lengths]
    write = partial(write_texts, network, weights, prompts)
    parts = [range(start, start + BATCH_SIZE) for start in range(0, NUM_PROMPTS, BATCH_SIZE)]
    rounds = [(write([range(NUM_PROMPTS)]), write(parts)) for _ in range(NUM_REPEATS + 1)][1:]  # one compiles
    rates = [sum(map(len, turn.ids)) / turn.wall_s for turn in rounds[-1]]
    wall = statistics.median(fixed.wall_s / refilled.wall_s for refilled, fixed in rounds)
    cpu = statistics.median(fixed.cpu_s / refilled.cpu_s for refilled, fixed in rounds)
    same = statistics.mean(a == b for a, b in zip(*(turn.ids for turn in rounds[-1]), strict=True))
    print_line(name, f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{wall:.2f}", f"{cpu:.2f}", f"{same:.0%}")


def write_texts(
    network: Network, weights: Weights, prompts: list[list[int]], parts: Sequence[Sequence[int]]
) -> Turn:
    """Draw a text for each prompt, one part after the other."""
    ids: list[list[int]] = []
    wall, cpu = time.perf_counter(), time.process_time()
    for part in parts:
        completions = decode(
            network,
            weights,
            [Request(prompts[number], number) for number in part],
            config=DecodingConfig(max_new_tokens=MAX_NEW_TOKENS, temperature=1.0),
            end_token_ids=list(range(network.config.vocab_size // ENDS_SHARE)),
            batch_size=BATCH_SIZE,
            decode_text=str,
            report=lambda _: None,
        )
        ids += [samples[0].ids for samples in completions]
    return Turn(ids, time.perf_counter() - wall, time.process_time() - cpu)


def print_line(*columns: str) -> None:
    """Write a line of the table."""
    sys.stdout.write(f"{columns[0]:<20}" + "".join(f"{column:>12}" for column in columns[1:]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
