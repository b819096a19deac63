"""Reproduction: an exported model asked some of its questions again."""

from typing import Self

from pydantic import Field, model_validator

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import Artifact


class DifferingText(Artifact):
    """A text that came out otherwise than it was published."""

    item_id: str
    sample_index: int
    published: str = Field(description="the text in the predictions")
    found: str = Field(description="what the model writes now")


class PredictionReproduction(Artifact):
    """`reproduction.json`: whether a run's exported model still writes what its predictions say it wrote."""

    run_id: str
    evaluation_set: str
    model_digest: Digest = Field(description="digest of the model folder that was loaded")
    predictions_digest: Digest = Field(description="the predictions compared with")
    item_ids: list[str] = Field(min_length=1, description="items asked again, chosen by digest")
    num_texts: int = Field(ge=1, description="texts compared, all samples of those items")
    differing: list[DifferingText] = Field(description="texts that are not the same, character for character")
    device: str = Field(description="platform and kind of the device used")

    @model_validator(mode="after")
    def _no_more_than_compared(self) -> Self:
        if len(self.differing) > self.num_texts:
            raise ValueError(f"{len(self.differing)} texts differ of {self.num_texts} compared")
        return self
