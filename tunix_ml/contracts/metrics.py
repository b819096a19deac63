"""The metrics of an evaluation: what each measures, which way is better and on which scale.

Whoever compares, ranks or draws reads these declarations; nothing is told from a metric's name.
"""

from typing import Literal, NamedTuple

Direction = Literal["higher", "lower", "neither"]


class Metric(NamedTuple):
    """One number of an item's sample, or of an item, whose mean over items is reported.

    A `share` lies in 0..1. Where a metric does not apply to a text, as the share of right claims in a text
    without a claim, it is null and the item is not in its mean.
    """

    name: str
    description: str
    direction: Direction
    unit: str = "share"

    @property
    def is_share(self) -> bool:
        """Say whether values lie in 0..1."""
        return self.unit == "share"


SAMPLE_METRICS = (
    Metric("answer_correctness", "answers equal to the expected one, by the item's type", "higher"),
    Metric("judged_correct", "answers that a judge called right", "higher"),
    Metric("answer_correctness_v1", "answers that are the expected text, character for character", "higher"),
    Metric("format_valid", "texts that keep the template: each part once, in order, not empty", "higher"),
    Metric("format_recoverable", "texts an answer could be read from", "higher"),
    Metric("hit_max_new_tokens", "texts cut at the length limit", "lower"),
    Metric("trace_present", "texts with at least one step of reasoning", "higher"),
    Metric("trace_num_steps", "steps of reasoning in a text", "neither", "steps"),
    Metric("trace_num_tokens", "tokens written", "neither", "tokens"),
    Metric("claims_correct", "claims `expression = value` in a text that hold", "higher"),
    Metric("gold_step_recall", "values reached in the true steps that the text reaches too", "higher"),
    Metric("answer_supported", "texts whose answer stands in their own reasoning", "higher"),
    Metric("repetition", "share of a text's lines that it has written before", "lower"),
    Metric("gold_nats_per_token", "negative log-likelihood of the true completion", "lower", "nats/token"),
    Metric("gold_bits_per_byte", "negative log-likelihood of the true completion", "lower", "bits/byte"),
)
ITEM_METRICS = (
    Metric("pass_at_k", "probability that one of k samples is right, unbiased", "higher"),
    Metric("maj_at_k", "items whose most frequent answer over k samples is right", "higher"),
)
METRICS = {metric.name: metric for metric in (*SAMPLE_METRICS, *ITEM_METRICS)}
PRIMARY = "answer_correctness"
JUDGED = "judged_correct"
