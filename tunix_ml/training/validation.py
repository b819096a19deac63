"""The loss over a whole split."""

import math
from collections.abc import Callable

from tunix_ml.training.data import Batch, TokenRows, in_order
from tunix_ml.training.loss import LossSum
from tunix_ml.training.progress import NonFiniteLoss


def validation_loss(evaluate: Callable[[Batch], LossSum], rows: TokenRows, *, batch_size: int) -> float:
    """Return the loss over a whole split, in nats per supervised token.

    All batches are handed to the device before the first result is read.

    Raises:
        NonFiniteLoss: it is NaN or infinite.
    """
    sums = [evaluate(batch) for batch in in_order(rows, batch_size=batch_size)]
    nats, num_supervised = (sum(map(float, values)) for values in zip(*sums, strict=True))
    if not math.isfinite(nats):
        raise NonFiniteLoss(f"validation loss is {nats}: lower learning_rate, or lengthen warmup_steps")
    return nats / num_supervised


def num_batches(rows: TokenRows, *, batch_size: int) -> int:
    """Return how many batches a whole split is."""
    return -(-rows.num_rows // batch_size)
