"""Decoded records to traces: raw traces and our own exports here, foreign records through a recipe."""

import json
import re
import string
from collections.abc import Mapping
from typing import Any

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import FieldMapping, JsonlSource, RecordMapping, StepsMapping
from tunix_ml.contracts.trace import Trace, validate_trace
from tunix_ml.traces import exported
from tunix_ml.traces.decode import LineError

Record = dict[str, Any]


def to_trace(record: Record, source: JsonlSource) -> Trace:
    """Return the trace a record holds, in the format its source declares.

    Raises:
        LineError: `mapping` if the record does not fit the format, `contract` if what it gives is no
            valid trace.
    """
    return _validated(_raw_trace(record, source))


def _raw_trace(record: Record, source: JsonlSource) -> Record:
    if source.mapping is not None:
        return _mapped(record, source.mapping)
    if source.format == "tunix_sft":
        return exported.from_tunix_sft(record)
    return exported.from_trace_export(record) if "trace_steps" in record else record


def _validated(raw: Record) -> Trace:
    try:
        return validate_trace(msgspec.convert(raw, Trace))
    except msgspec.ValidationError as error:
        raise LineError("contract", f"{error}{found_value(raw, str(error))}") from None
    except ContractError as error:
        raise LineError("contract", str(error)) from None


def found_value(raw: Record, message: str) -> str:
    """Return the value a validation message points at with its `$.path`, bounded."""
    match = re.search(r"`\$\.([^`]+)`$", message)
    if match is None:
        return f", the keys are {', '.join(sorted(raw))[:160]}" if raw else ", there are no keys"
    try:
        value = look_up(raw, re.sub(r"\[(\d+)\]", r".\1", match[1]))
    except LineError:
        return ""
    return f", got {value!r:.80}"


def _mapped(record: Record, mapping: RecordMapping) -> Record:
    return {
        "trace_version": mapping.trace_version,
        "prompt": text_of(record, mapping.prompt, name="prompt"),
        "final_answer": text_of(record, mapping.final_answer, name="final_answer"),
        "steps": steps_of(record, mapping.steps),
        "meta": {name: look_up(record, name) for name in mapping.meta} or None,
    }


def text_of(record: Record, mapping: FieldMapping, *, name: str) -> str:
    """Return the text that a mapping takes from a record; `name` is that of the text, for errors.

    Raises:
        LineError: `mapping` if the record does not have it.
    """
    return _extract(_value(record, mapping), mapping, name=name)


def steps_of(record: Record, mapping: StepsMapping) -> list[Record]:
    """Return the steps that a mapping takes from a record, each with `i`, `type` and `content`.

    Raises:
        LineError: `mapping` if the record does not have them.
    """
    value = _value(record, mapping)
    if isinstance(value, list):
        return [_step(item, mapping, index=index) for index, item in enumerate(value)]
    pieces = re.split(mapping.split, _extract(value, mapping, name="steps"))
    contents = [piece.strip() for piece in pieces if piece and piece.strip()]
    return [{"i": i, "type": mapping.type, "content": content} for i, content in enumerate(contents)]


def _value(record: Record, mapping: FieldMapping) -> Any:
    if mapping.template is not None:
        return _filled(mapping.template, record)
    if mapping.field is None:
        return mapping.constant
    return look_up(record, _filled(mapping.field, record) if "{" in mapping.field else mapping.field)


def _filled(template: str, record: Record) -> str:
    """Return a text with the values of its paths in their places."""
    pieces = []
    for literal, path, _, _ in string.Formatter().parse(template):
        pieces += [literal, "" if path is None else _written(look_up(record, path), path)]
    return "".join(pieces)


def _written(value: Any, path: str) -> str:
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, str | bool | int | float):
            raise LineError("mapping", f"{path!r} is {value!r:.80}, expected texts or numbers")
    return "\n".join(map(spelled, values))


def _step(item: Any, mapping: StepsMapping, *, index: int) -> Record:
    fields = item if isinstance(item, dict) else {"content": item}
    if "content" not in fields:
        raise LineError("mapping", f"steps[{index}] has the keys {sorted(fields)!r:.80}, expected `content`")
    content = _extract(fields["content"], mapping, name=f"steps[{index}]")
    return {"i": index, "type": mapping.type} | fields | {"content": content}


def _extract(value: Any, mapping: FieldMapping, *, name: str) -> str:
    path = mapping.field if mapping.template is None else mapping.template
    origin = f"{name} from {path!r}" if path is not None else name
    if isinstance(value, bool | int | float):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise LineError("mapping", f"{origin} is {value!r:.80}, expected a text or a number")
    if mapping.pattern is not None:
        match = re.search(mapping.pattern, value)
        if match is None or match[1] is None:
            raise LineError("mapping", f"{origin} is {value!r:.80}, without a match of {mapping.pattern!r}")
        value = match[1]
    return value if mapping.remove is None else re.sub(mapping.remove, "", value)


def is_meant(record: Record, where: Mapping[str, str]) -> bool:
    """Say whether each of these fields, by dotted path, is there and has its value.

    What is no text counts as JSON has it.
    """
    try:
        return all(spelled(look_up(record, path)) == value for path, value in where.items())
    except LineError:
        return False


def spelled(value: Any) -> str:
    """Return a text as it is, and any other value as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def look_up(record: Any, path: str) -> Any:
    """Return the value at a dotted path; a number counts into a list.

    Raises:
        LineError: `mapping` if the record has nothing there.
    """
    value = record
    for key in path.split("."):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            at = "" if key == path else f": it has no {key!r}"
            raise LineError("mapping", f"there is no field {path!r}{at}; {_shape(value)}")
    return value


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"the keys there are {sorted(value)!r:.120}" if value else "the object there is empty"
    return (
        f"what is there is a list of {len(value)}"
        if isinstance(value, list)
        else f"what is there is {value!r:.60}"
    )
