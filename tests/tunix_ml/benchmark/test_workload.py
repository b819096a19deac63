import numpy as np
import pytest

from tunix_ml.benchmark.workload import make_prompts, make_workload
from tunix_ml.contracts.benchmark import BenchmarkConfig, BenchmarkLayout

CONFIG = BenchmarkConfig(batch_size=4, seq_len=256, num_prompts=3, prompt_len=5)


@pytest.mark.parametrize("layout", ["full", "packed", "padded"])
def test_a_batch_has_the_size_asked_for_and_teaches(layout: BenchmarkLayout) -> None:
    workload = make_workload(CONFIG, vocab_size=50, layout=layout)

    assert {batch.inputs.shape for batch in workload.batches} == {(4, 256)}
    assert all(batch.weights.sum(axis=1).min() > 0 for batch in workload.batches)
    assert max(batch.targets.max() for batch in workload.batches) < 50


def test_full_rows_hold_one_example_and_no_padding() -> None:
    workload = make_workload(CONFIG, vocab_size=50, layout="full")

    assert workload.real_share == 1
    assert workload.examples_per_step == 4


def test_packing_puts_several_examples_into_a_row() -> None:
    packed = make_workload(CONFIG, vocab_size=50, layout="packed")
    padded = make_workload(CONFIG, vocab_size=50, layout="padded")

    assert padded.examples_per_step == 4
    assert packed.examples_per_step > 1.8 * padded.examples_per_step
    assert packed.real_share > 0.9
    assert padded.real_share < 0.6


def test_positions_begin_again_with_each_example() -> None:
    batch = make_workload(CONFIG, vocab_size=50, layout="packed").batches[0]

    starts = np.diff(batch.segment_ids, axis=1) == 1
    assert (batch.positions[:, 1:][starts] == 0).all()


def test_the_same_configuration_gives_the_same_work() -> None:
    first, second = (make_workload(CONFIG, vocab_size=50, layout="packed") for _ in range(2))

    np.testing.assert_array_equal(first.batches[3].inputs, second.batches[3].inputs)
    assert make_prompts(CONFIG, vocab_size=50) == make_prompts(CONFIG, vocab_size=50)


def test_prompts_are_of_one_length() -> None:
    prompts = make_prompts(CONFIG, vocab_size=50)

    assert [len(prompt) for prompt in prompts] == [5, 5, 5]
