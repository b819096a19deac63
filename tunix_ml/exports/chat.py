"""Chat templates: how a model that was taught to chat reads one message, as its own folder says it.

A template is code of a small language that comes with a model. It runs in jinja2's sandbox, once, on a
placeholder; a message never passes through it, so that no message can write the tokens that end its turn.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from tunix_ml.contracts.base import ContractError

if TYPE_CHECKING:
    import jinja2
    from jinja2.parser import Parser

    from tunix_ml.exports.tokenizer import Tokenizer

TEMPLATE_FILE = "chat_template.jinja"
_CONFIG_FILE = "tokenizer_config.json"
_PLACEHOLDER = "[message of the user]"
_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Chat(NamedTuple):
    """What a chat template writes before the message of a user and after it, up to the model's turn."""

    before: str
    after: str

    def encode(self, message: str, tokenizer: "Tokenizer") -> list[int]:
        """Return the ids the model reads; only the template's own text may hold special tokens."""
        return [
            *_encode_special(self.before, tokenizer),
            *tokenizer.encode(message),
            *_encode_special(self.after, tokenizer),
        ]


def read_chat_template(folder: Path) -> str | None:
    """Return the chat template of a model's folder, None where it has none.

    Raises:
        ContractError: the tokenizer's configuration is not JSON.
    """
    if (folder / TEMPLATE_FILE).is_file():
        return (folder / TEMPLATE_FILE).read_text(encoding="utf-8")
    path = folder / _CONFIG_FILE
    try:
        found = json.loads(path.read_bytes()).get("chat_template") if path.is_file() else None
    except ValueError as error:
        raise ContractError(f"{path} is not JSON: {error}") from error
    if isinstance(found, list):  # several, by name
        found = {entry.get("name"): entry.get("template") for entry in found}.get("default")
    return found if isinstance(found, str) else None


def read_chat(folder: Path) -> Chat | None:
    """Return how a model of a folder reads a message, None where it was not taught to chat.

    Raises:
        ContractError: the template cannot be run, or does not hold the message once, as it is.
    """
    source = read_chat_template(folder)
    if source is None:
        return None
    import jinja2  # noqa: PLC0415 - not at the load of the definitions

    try:
        text = (
            _environment()
            .from_string(source)
            .render(
                messages=[{"role": "user", "content": _PLACEHOLDER}],
                add_generation_prompt=True,
                **_special_tokens(folder),
            )
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise ContractError(f"the chat template of {folder} cannot be run: {error}") from error
    before, found, after = text.partition(_PLACEHOLDER)
    if not found or _PLACEHOLDER in after:
        raise ContractError(f"the chat template of {folder} does not hold a user's message exactly once")
    return Chat(before, after)


def _encode_special(text: str, tokenizer: "Tokenizer") -> list[int]:
    backend = tokenizer.backend
    backend.encode_special_tokens = False
    try:
        return tokenizer.encode(text)
    finally:
        backend.encode_special_tokens = True


def _special_tokens(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG_FILE
    config = json.loads(path.read_bytes()) if path.is_file() else {}
    tokens = {name: config.get(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    return {
        name: token.get("content") if isinstance(token, dict) else token
        for name, token in tokens.items()
        if token is not None
    }


def _environment() -> "jinja2.Environment":
    """Return what templates find in transformers, with one day for all days: a prompt must not change.

    Source: transformers 5, utils/chat_template_utils.py, as documented under "Writing a chat template".
    """
    from jinja2.ext import Extension, loopcontrols  # noqa: PLC0415 - not at the load of the definitions
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    class Generation(Extension):
        """The block that marks what a model writes in training; here it is its content."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: "Parser") -> Any:
            """Return the statements inside the block."""
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _DAY.strftime
    return environment


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise ValueError(message)
