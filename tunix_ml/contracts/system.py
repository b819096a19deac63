"""Predictions made elsewhere: how the file of a foreign system, or of a judge, is read."""

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.names import check_recipe_name
from tunix_ml.contracts.recipe import FieldMapping, Regex

SystemName = Annotated[str, AfterValidator(check_recipe_name)]


class AnswerRule(Artifact):
    """Where the answer stands in a text; the last place counts if there are several."""

    kind: Literal["template", "pattern", "boxed", "hashes", "whole"] = Field(
        description="a template's place; the group of a pattern; `\\boxed{…}`; after `####`; the whole text"
    )
    template: TemplateName | None = Field(None, description="needed for, and only for, `template`")
    pattern: Regex | None = Field(None, description="with one group; needed for, and only for, `pattern`")

    @model_validator(mode="after")
    def _parts(self) -> Self:
        for name in ("template", "pattern"):
            if (getattr(self, name) is not None) != (self.kind == name):
                raise ValueError(f"`{name}` is needed for kind `{name}` and allowed for no other")
        if self.pattern is not None and re.compile(self.pattern).groups != 1:
            raise ValueError(f"`pattern` {self.pattern!r} needs exactly one group")
        return self

    def label(self) -> str:
        """Return the rule in a word or two."""
        return self.template or (f"pattern {self.pattern}" if self.pattern else self.kind)


class SystemMapping(Artifact):
    """What of a record belongs to one system."""

    text: FieldMapping | None = Field(None, description="what it wrote")
    verdict: str | None = Field(None, description="dotted path to what the judge said of it")
    where: dict[str, str] = Field(
        default={}, description="only records whose field, by dotted path, has this value"
    )

    @field_validator("where", mode="before")
    @classmethod
    def _values(cls, value: Any) -> Any:
        """Return the values as JSON has them: YAML reads some of them as numbers or booleans."""
        if not isinstance(value, dict):
            return value
        return {
            path: wanted if isinstance(wanted, str) else json.dumps(wanted) for path, wanted in value.items()
        }

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.text is None and self.verdict is None:
            raise ValueError("a system needs `text`, to be scored, or `verdict`, or both")
        return self


class SystemsRecipe(Artifact):
    """A recipe in `data/systems/`: predictions, or a judge's log, made elsewhere, for one evaluation set.

    Records belong to an item by its id or by its question. Records of one system and item are its samples.
    """

    description: str = Field(min_length=1, description="what these systems are, in a sentence or two")
    license: str = Field(min_length=1, description="SPDX identifier of the licence of the file")
    path: str = Field(description="JSONL file, relative to the recipe; ${NAME} is an environment variable")
    evaluation_set: str = Field(description="name of a published evaluation set")
    item_id: FieldMapping | None = Field(None, description="id of the item")
    question: FieldMapping | None = Field(None, description="its question, instead of its id")
    answer: AnswerRule | None = Field(None, description="needed where a system has a `text`")
    judge: SystemName | None = Field(None, description="who gave the verdicts; needed where one is read")
    verdicts: dict[str, float] = Field(
        default={"true": 1.0, "false": 0.0},
        description="score of each verdict as JSON has it; numbers in 0..1 stand for themselves",
    )
    systems: dict[SystemName, SystemMapping] = Field(min_length=1)

    @field_validator("verdicts", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Return the words as texts; YAML reads some of them as numbers, and yes and no as booleans."""
        if not isinstance(value, dict):
            return value
        for word in value:
            if isinstance(word, bool):
                raise ValueError("a verdict is a YAML boolean: put words such as 'yes' in quotes")
        return {str(word): score for word, score in value.items()}

    @field_validator("verdicts")
    @classmethod
    def _shares(cls, value: dict[str, float]) -> dict[str, float]:
        for name, score in value.items():
            if not 0 <= score <= 1:
                raise ValueError(f"verdict {name!r} has score {score}, expected one in 0..1")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.item_id is None) == (self.question is None):
            raise ValueError("exactly one of `item_id` and `question` is needed")
        if any(system.text for system in self.systems.values()) and self.answer is None:
            raise ValueError("`answer` is needed: it says where the answer stands in a text")
        if any(system.verdict for system in self.systems.values()) and self.judge is None:
            raise ValueError("`judge` is needed: it names who gave the verdicts")
        return self


class SystemIdentity(Artifact):
    """`system.json` of a run made elsewhere: what its fingerprint covers."""

    recipe: str = Field(description="name of the recipe that reads it")
    system: str
    description: str
    license: str
    evaluation_set: str
    source_sha256: str = Field(description="of the file's content")
    recipe_digest: str
    answer: AnswerRule | None
    judge: str | None

    def run_id(self) -> str:
        """Return `<system>.external.<fingerprint10>`."""
        return f"{self.system}.external.{self.digest()[:10]}"
