"""Several samples of an item made into one score: pass@k and maj@k."""

import math
from collections import defaultdict
from collections.abc import Sequence

from tunix_ml.contracts.base import ContractError


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the probability that at least one of k samples is right, drawn from these without replacement.

    The mean of this over items is an unbiased estimate; 1 - (1 - c/n)^k is not.

    Raises:
        ContractError: k is not 1 to num_samples, or num_correct not 0 to num_samples.

    Source: M. Chen et al., Evaluating large language models trained on code, 2021, section 2.1.
    """
    if not 1 <= k <= num_samples:
        raise ContractError(f"pass@{k} needs 1 to {num_samples} of the {num_samples} samples there are")
    if not 0 <= num_correct <= num_samples:
        raise ContractError(f"{num_correct} of {num_samples} samples are right, expected 0 to {num_samples}")
    if num_samples - num_correct < k:
        return 1.0
    return 1 - math.prod(1 - k / i for i in range(num_samples - num_correct + 1, num_samples + 1))


def majority_at_k(answers: Sequence[str | None], is_right: Sequence[bool]) -> float:
    """Return whether the most frequent answer is right; of several equally frequent ones, the share that is.

    All samples vote, so that k is their number and their order does not count. None, a sample without an
    answer, has no vote; without any vote the score is 0. Of an answer whose samples have different verdicts
    the share that is right counts.

    Raises:
        ContractError: there are no samples, or not as many verdicts.

    Source: X. Wang et al., Self-consistency improves chain of thought reasoning, 2022, section 2.
    """
    if not answers or len(answers) != len(is_right):
        raise ContractError(f"each sample needs its verdict, got {len(is_right)} for {len(answers)} answers")
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for answer, right in zip(answers, is_right, strict=True):
        if answer is not None:
            verdicts[answer].append(right)
    most = max(map(len, verdicts.values()), default=0)
    shares = [sum(found) / most for found in verdicts.values() if len(found) == most]
    return math.fsum(shares) / len(shares) if shares else 0.0
