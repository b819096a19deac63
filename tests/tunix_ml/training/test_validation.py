import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.training.data import Batch, TokenRows
from tunix_ml.training.loss import LossSum
from tunix_ml.training.progress import NonFiniteLoss
from tunix_ml.training.validation import num_batches, validation_loss


@pytest.fixture
def rows() -> TokenRows:
    """Five rows of four tokens: their ids are the number of the row, their last token is padding."""
    ids = np.repeat(np.arange(5, dtype=np.int32)[:, None], 4, axis=1)
    segments = np.tile(np.array([1, 1, 1, 0], np.int32), (5, 1))
    return TokenRows(input_ids=ids, loss_mask=np.ones_like(ids), segment_ids=segments, positions=ids)


def row_number(batch: Batch) -> LossSum:
    """A loss of as many nats per token as the number of its row."""
    return LossSum(jnp.sum(batch.targets * batch.weights), jnp.sum(batch.weights))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_every_row_counts_once_whatever_the_batch(rows: TokenRows, batch_size: int) -> None:
    assert validation_loss(row_number, rows, batch_size=batch_size) == 2.0
    assert num_batches(rows, batch_size=batch_size) == -(-5 // batch_size)


def test_a_loss_that_is_no_number_is_an_error(rows: TokenRows) -> None:
    with pytest.raises(NonFiniteLoss, match="validation loss is nan"):
        validation_loss(lambda batch: LossSum(jnp.float32("nan"), jnp.float32(1)), rows, batch_size=2)
