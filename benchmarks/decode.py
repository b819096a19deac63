"""Time decoding: python benchmarks/decode.py [--torch-python PATH], with PATH's transformers as the peer.

Both sides write the same tokens from the same weights and prompts, and take turns in one run: the ratio holds
on a noisy machine too. Wall and CPU seconds are given, because sharing cores distorts the one and not the
other. Without a peer only refilled rows are compared with batches that wait for their longest text.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.inference.decode import Completion, Request, decode
from tunix_ml.inference.programs import Weights, prepare
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.huggingface import save_model

HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")  # as Dagster's workers have it
BATCH_SIZE, NUM_NEW_TOKENS, NUM_LONG_TOKENS = 16, 64, 256
NUM_VARIED_PROMPTS = 96
SHAPES = {
    "A": ModelConfig(
        vocab_size=4096,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=1024,
    ),
    "B": ModelConfig(
        vocab_size=50257,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=6,
        num_attention_heads=12,
        num_key_value_heads=12,
        head_dim=64,
        max_position_embeddings=1024,
    ),
}
PEER = """
import json, sys, time, torch, transformers
from transformers import AutoModelForCausalLM
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(int(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=getattr(torch, sys.argv[3])).eval()
for line in sys.stdin:
    job = json.loads(line)
    length = max(map(len, job["prompts"]))
    ids = torch.tensor([[0] * (length - len(p)) + p for p in job["prompts"]])
    mask = torch.tensor([[0] * (length - len(p)) + [1] * len(p) for p in job["prompts"]])
    wall, cpu = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        out = model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=job["num_new_tokens"],
            min_new_tokens=job["num_new_tokens"], pad_token_id=0,
        )
    took = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"ids": out[:, length:].tolist(), "wall_s": took[0], "cpu_s": took[1]}), flush=True)
"""


class Turn(NamedTuple):
    """One side's texts, and the seconds they took."""

    ids: list[list[int]]
    wall_s: float
    cpu_s: float

    def per_second(self, seconds: float) -> float:
        """Return tokens written per second."""
        return sum(map(len, self.ids)) / seconds


Side = Callable[[], Turn]


def main() -> None:
    """Run every comparison and write a line for each."""
    arguments = _arguments()
    name, value = HUGE_PAGES
    if os.environ.get(name) != value:  # read once, at the start of a process
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, name: value})  # noqa: S606
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.num_threads])  # before JAX starts
    print_line("tokens per second", "ours", "other", "wall ratio", "CPU ratio", "same tokens")
    for name in arguments.shapes:
        network = Network(SHAPES[name], precision=arguments.precision)
        params = jax.jit(Network(SHAPES[name]).init)(jax.random.key(0))
        if arguments.torch_python:
            compare_with_transformers(name, network, params, arguments)
        weights = prepare(params, network=network)
        compare_with_fixed_batches(name, network, weights, arguments.num_repeats)


def compare_with_transformers(
    name: str, network: Network, params: Params, arguments: argparse.Namespace
) -> None:
    """Write the likeliest tokens, as many after every prompt, against `generate`."""
    prompts = _prompts(BATCH_SIZE, network.config.vocab_size)
    config = DecodingConfig(max_new_tokens=NUM_NEW_TOKENS, precision=arguments.precision)
    weights = prepare(params, network=network)
    with tempfile.TemporaryDirectory() as folder:
        ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
        save_model(Path(folder), config=network.config, params=params, special_token_ids=ends)
        command = [
            arguments.torch_python,
            "-W",
            "ignore",
            "-c",
            PEER,
            folder,
            str(arguments.num_threads),
            arguments.precision,
        ]
        with subprocess.Popen(  # noqa: S603 - an interpreter that the user names
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as peer:
            sides = (
                lambda: _ours(network, weights, prompts, config=config, ends=()),
                lambda: _ask_peer(peer, prompts),
            )
            _compare(f"{name} {arguments.precision}: transformers generate", sides, arguments.num_repeats)
            peer.stdin.close()  # type: ignore[union-attr]


def compare_with_fixed_batches(name: str, network: Network, weights: Weights, num_repeats: int) -> None:
    """Write texts of very different lengths, against batches that each wait for their longest."""
    vocab_size = network.config.vocab_size
    prompts = _prompts(NUM_VARIED_PROMPTS, vocab_size)
    ends = list(range(vocab_size // 32))  # of tokens about equally likely: a text has 32 in the mean
    config = DecodingConfig(max_new_tokens=NUM_LONG_TOKENS, temperature=1.0, precision=network.precision)

    def fixed() -> Turn:
        parts = [range(start, start + BATCH_SIZE) for start in range(0, len(prompts), BATCH_SIZE)]
        turns = [_ours(network, weights, prompts, config=config, ends=ends, chosen=part) for part in parts]
        ids = [text for turn in turns for text in turn.ids]
        return Turn(ids, sum(turn.wall_s for turn in turns), sum(turn.cpu_s for turn in turns))

    sides = (lambda: _ours(network, weights, prompts, config=config, ends=ends), fixed)
    _compare(f"{name} {network.precision}: fixed batches", sides, num_repeats)


def _compare(name: str, sides: tuple[Side, Side], num_repeats: int) -> None:
    ours, other = sides
    turns = [(ours(), other()) for _ in range(num_repeats + 1)][1:]  # the first ones compile
    wall = statistics.median(theirs.wall_s / mine.wall_s for mine, theirs in turns)
    cpu = statistics.median(theirs.cpu_s / mine.cpu_s for mine, theirs in turns)
    rates = [
        statistics.median(side.per_second(side.wall_s) for side in column)
        for column in zip(*turns, strict=True)
    ]
    pairs = [(a, b) for mine, theirs in turns for a, b in zip(mine.ids, theirs.ids, strict=True)]
    same = sum(a == b for a, b in pairs) / len(pairs)
    print_line(name, f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{wall:.2f}", f"{cpu:.2f}", f"{same:.0%}")


def print_line(*columns: str) -> None:
    """Write a line of the table."""
    sys.stdout.write(f"{columns[0]:<40}" + "".join(f"{column:>14}" for column in columns[1:]) + "\n")
    sys.stdout.flush()


def _ours(
    network: Network,
    weights: Weights,
    prompts: Sequence[list[int]],
    *,
    config: DecodingConfig,
    ends: Sequence[int],
    chosen: Sequence[int] | None = None,
) -> Turn:
    numbers = range(len(prompts)) if chosen is None else chosen
    wall, cpu = time.perf_counter(), time.process_time()
    completions: list[list[Completion]] = decode(
        network,
        weights,
        [Request(prompts[number], number) for number in numbers],
        config=config,
        end_token_ids=ends,
        batch_size=BATCH_SIZE,
        decode_text=str,
        report=lambda _: None,
    )
    took = time.perf_counter() - wall, time.process_time() - cpu
    return Turn([samples[0].ids for samples in completions], *took)


def _ask_peer(peer: "subprocess.Popen[str]", prompts: Sequence[list[int]]) -> Turn:
    if peer.stdin is None or peer.stdout is None:
        raise RuntimeError("the peer has no pipes")
    peer.stdin.write(json.dumps({"prompts": prompts, "num_new_tokens": NUM_NEW_TOKENS}) + "\n")
    peer.stdin.flush()
    answer: dict[str, Any] = json.loads(peer.stdout.readline() or "null") or {}
    if not answer:
        raise RuntimeError(f"the peer ended with {peer.wait()}")
    return Turn(**answer)


def _prompts(count: int, vocab_size: int) -> list[list[int]]:
    """Return prompts of 17 to 32 tokens."""
    random = np.random.default_rng(0)
    return [random.integers(vocab_size, size=random.integers(17, 33)).tolist() for _ in range(count)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--torch-python", metavar="PATH", help="an interpreter that has torch and transformers"
    )
    parser.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES))
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--num-threads", type=int, default=2, help="cores for either side")
    parser.add_argument("--num-repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
