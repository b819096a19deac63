"""Validation errors in words for the person who wrote the file."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Models = tuple[type[BaseModel], ...]
_SHOWN_CHARACTERS = 80


class Place(NamedTuple):
    """Where in a document something is: the path as it is written there, and what may stand there."""

    path: tuple[str, ...]
    models: Models

    def fields(self) -> list[str]:
        """Return the fields that this place may have."""
        return sorted({name for model in self.models for name in model.model_fields})


def describe(error: ValidationError, contract: type[BaseModel]) -> str:
    """Return the problems of a document of a contract on one line: field, expectation and value of each."""
    return "; ".join(_explain(problem, contract) for problem in error.errors(include_url=False))


def _explain(problem: ErrorDetails, contract: type[BaseModel]) -> str:
    place = _place(contract, problem["loc"])
    where = f"{'.'.join(place.path)}: " if place.path else ""
    if problem["type"] == "extra_forbidden":
        return f"{where}{_unknown_field(contract, problem)}{_got(problem['input'])}"
    if problem["type"] == "missing":
        return f"{where}this field is required"
    if problem["type"] == "union_tag_invalid":
        found = problem["ctx"]
        kind = found["discriminator"].strip("'")
        return f"{where}{kind} {found['tag']!r} is none of {found['expected_tags']}"
    if problem["type"] == "model_type":
        return f"{where}these are no fields with values{_got(problem['input'])}"
    return f"{where}{problem['msg'].removeprefix('Value error, ')}{_got(problem['input'])}"


def _unknown_field(contract: type[BaseModel], problem: ErrorDetails) -> str:
    *above, name = problem["loc"]
    known = _place(contract, tuple(above)).fields()
    meant = get_close_matches(str(name), known, n=1)
    if meant:
        return f"there is no such field, did you mean {meant[0]!r}?"
    return f"there is no such field, the fields are {', '.join(known)}"


def _got(value: Any) -> str:
    text = repr(value)
    if isinstance(value, dict | list) and len(text) > _SHOWN_CHARACTERS:
        return ""
    return f" (got {text:.{_SHOWN_CHARACTERS}})"


def _place(contract: type[BaseModel], loc: tuple[int | str, ...]) -> Place:
    """Follow a location of pydantic, whose tags of unions stand nowhere in the document."""
    place = Place((), (contract,))
    for part in loc:
        place = _step(place, part)
    return place


def _step(place: Place, part: int | str) -> Place:
    path = (*place.path, str(part))
    if isinstance(part, int):
        return Place(path, place.models)
    tagged = tuple(model for model in place.models if part in _tags(model))
    if tagged and len(place.models) > 1:
        return Place(place.path, tagged)
    fields = [model.model_fields[part] for model in place.models if part in model.model_fields]
    return Place(path, tuple(one for field in fields for one in _models(field.annotation)))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _tags(model: type[BaseModel]) -> set[str]:
    """Return the texts that fields of a model are fixed to."""
    fixed = (field.annotation for field in model.model_fields.values())
    return {text for one in fixed if get_origin(one) is Literal for text in get_args(one)}
