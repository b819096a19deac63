"""The task score of a model in training: the first questions of the validation split, asked and scored."""

import dataclasses
import math
from dataclasses import dataclass

import jax

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.metrics import PRIMARY
from tunix_ml.contracts.prediction import DecodingConfig, ForeignPrediction
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.evaluation.score import score_items
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import Tokenizer, load_tokenizer
from tunix_ml.inference.decode import Request, decode
from tunix_ml.inference.programs import prepare
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.lora import merge
from tunix_ml.store import Store
from tunix_ml.training.publish import without_adapters

_TOKENIZER_FOLDER = "tokenizer"
_BATCH_SIZE = 16


@dataclass(frozen=True)
class TaskScore:
    """Scores the parameters that it is called with: greedy answers, by the run's own template.

    Attributes:
        items: that are asked, of the validation split: no score on the way touches the test split.
        max_new_tokens: longest answer, the end token included.
    """

    items: tuple[EvaluationItem, ...]
    template: TemplateName
    tokenizer: Tokenizer
    max_new_tokens: int

    @classmethod
    def of_run(cls, store: Store, identity: RunIdentity, execution: ExecutionConfig) -> "TaskScore":
        """Return what scores the model of a run.

        Raises:
            EmptyEvaluationSet: the validation split has no trace.
            NotPublished: the run's dataset or tokens are not published.
        """
        asked = load_evaluation_set(
            store, f"{identity.dataset_version}.validation", digest=identity.dataset_digest
        )
        tokens = store.slot("tokenized_examples", identity.dataset_version).resolve(identity.tokens_digest)
        return cls(
            items=asked.first(execution.score_items).items,
            template=identity.template,
            tokenizer=load_tokenizer(tokens.path / _TOKENIZER_FOLDER),
            max_new_tokens=execution.score_max_new_tokens,
        )

    def __call__(self, network: Network, params: Params) -> float | None:
        """Return the share of the questions that are answered right, None if one could not be scored."""
        with jax.default_device(jax.local_devices()[0]):
            texts = self._write(network, params)
        predictions = [
            ForeignPrediction(item.item_id, 0, text) for item, text in zip(self.items, texts, strict=True)
        ]
        scores = score_items(self.items, predictions, AnswerRule(kind="template", template=self.template))
        values = [score.scores.get(PRIMARY) for score in scores]
        known = [value for value in values if value is not None]
        return math.fsum(known) / len(known) if len(known) == len(values) else None

    def _write(self, network: Network, params: Params) -> list[str]:
        whole = merge(params, network.lora) if network.lora else params
        plain = dataclasses.replace(without_adapters(network), remat=False)
        chosen = template(self.template)
        requests = [
            Request(encode_prompt(self.tokenizer, chosen.prompt_text(item.prompt)), number)
            for number, item in enumerate(self.items)
        ]
        found = decode(
            plain,
            prepare(whole, network=plain),
            requests,
            config=DecodingConfig(max_new_tokens=self.max_new_tokens, precision=network.precision),
            end_token_ids=[self.tokenizer.eos_token_id],
            batch_size=_BATCH_SIZE,
            decode_text=self.tokenizer.decode,
            report=lambda _: None,
        )
        return [self.tokenizer.decode(samples[0].ids) for samples in found]
