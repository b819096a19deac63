"""Lines of our own exports read back: `trace` and `tunix_sft`, as far as they say one thing only."""

import re
from typing import Any, NamedTuple, TypeVar

import msgspec

from tunix_ml.contracts.export import TraceExport, TunixSftExport
from tunix_ml.traces.decode import LineError

Record = dict[str, Any]
_Export = TypeVar("_Export", TraceExport, TunixSftExport)

DEFAULT_TRACE_VERSION = "1.0"
# What the renderer writes; metadata with any other key came from elsewhere and is kept whole.
RENDERED_METADATA = frozenset({"trace_version", "split", "step_indices", "step_types", "meta", "format"})

_DIALOGUE = re.compile(
    r"<start_of_turn>user\n(?P<prompt>.*)<end_of_turn>\n"
    r"<start_of_turn>model\nReasoning:\n(?P<response>.*)<end_of_turn>\n?",
    re.DOTALL,
)
_TURN_MARKS = re.compile(r"<(?:start|end)_of_turn>")
_STEP_NUMBER = re.compile(r"^(\d+)\. ", re.MULTILINE)
_ANSWER_LINE = "\nAnswer: "


class _Dialogue(NamedTuple):
    prompt: str
    steps: list[str]


def from_trace_export(record: Record) -> Record:
    """Return the raw trace of a line of a `trace` export.

    Raises:
        LineError: the line has other keys or types, or its metadata contradicts its steps.
    """
    line = _convert(record, TraceExport)
    return _raw_trace(line, _Dialogue(line.prompts, list(line.trace_steps)))


def from_tunix_sft(record: Record) -> Record:
    """Return the raw trace of a line of a `tunix_sft` export.

    Raises:
        LineError: as above, or the dialogue can be read in no way or in more than one.
    """
    line = _convert(record, TunixSftExport)
    return _raw_trace(line, _parse_dialogue(line.prompts, answer=line.final_answer))


def _convert(record: Record, kind: type[_Export]) -> _Export:
    unknown = record.keys() - {field.name for field in msgspec.structs.fields(kind)}
    if unknown:
        raise LineError("mapping", f"keys {sorted(unknown)!r:.120} are not of a {kind.__name__}")
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        raise LineError("mapping", f"not a {kind.__name__}: {error}") from None


def _raw_trace(line: TraceExport | TunixSftExport, dialogue: _Dialogue) -> Record:
    metadata = line.metadata
    indices = _step_values(metadata, "step_indices", dialogue.steps) or range(len(dialogue.steps))
    types = _step_values(metadata, "step_types", dialogue.steps) or ["reasoning"] * len(dialogue.steps)
    is_ours = "step_types" in metadata and metadata.keys() <= RENDERED_METADATA
    return {
        "trace_version": metadata.get("trace_version", DEFAULT_TRACE_VERSION),
        "prompt": dialogue.prompt,
        "final_answer": line.final_answer,
        "steps": [
            {"i": i, "type": step_type, "content": content}
            for i, step_type, content in zip(indices, types, dialogue.steps, strict=True)
        ],
        "meta": metadata.get("meta") if is_ours else metadata or None,
    }


def _step_values(metadata: Record, key: str, steps: list[str]) -> list[Any] | None:
    values = metadata.get(key)
    if values is not None and (not isinstance(values, list) or len(values) != len(steps)):
        raise LineError(
            "mapping", f"metadata.{key} is {values!r:.80}, expected one for each of {len(steps)} steps"
        )
    return values


def _parse_dialogue(text: str, *, answer: str) -> _Dialogue:
    match = _DIALOGUE.fullmatch(text)
    if match is None:
        raise LineError("mapping", f"prompts {text!r:.90} is no user turn and model turn with `Reasoning:`")
    if len(_TURN_MARKS.findall(text)) != 4:
        raise LineError("mapping", f"prompts {text!r:.90} holds a turn mark inside a text")
    reasoning = _without_answer(match["response"], answer=answer)
    return _Dialogue(match["prompt"], _split_steps(reasoning))


def _without_answer(response: str, *, answer: str) -> str:
    ending = _ANSWER_LINE + answer
    if not response.endswith(ending):
        found = response.rpartition(_ANSWER_LINE)[2]
        raise LineError("mapping", f"the text answers {found!r:.80}, but final_answer is {answer!r:.80}")
    reasoning = response.removesuffix(ending)
    if _ANSWER_LINE in reasoning or reasoning.startswith("Answer: "):
        raise LineError("mapping", "the text holds an `Answer:` line among the steps: its answer is in doubt")
    return reasoning


def _split_steps(reasoning: str) -> list[str]:
    marks = list(_STEP_NUMBER.finditer(reasoning))
    numbers = [int(mark[1]) for mark in marks]
    if not marks or marks[0].start() != 0 or numbers != list(range(1, len(marks) + 1)):
        raise LineError("mapping", f"the steps are numbered {numbers!r:.80}, expected 1, 2, 3, ...")
    ends = [mark.start() - 1 for mark in marks[1:]] + [len(reasoning)]
    return [reasoning[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
