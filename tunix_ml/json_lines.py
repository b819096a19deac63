"""JSON Lines of one contract, read back."""

from pathlib import Path
from typing import TypeVar

import msgspec

from tunix_ml.contracts.base import ContractError

Line = TypeVar("Line")


def read_json_lines(path: Path, contract: type[Line], *, subject: str) -> list[Line]:
    """Return the lines of a file, in their order; `subject` is what the file is called in an error.

    Raises:
        ContractError: it cannot be read, or a line breaks the contract.
    """
    try:
        return msgspec.json.Decoder(contract).decode_lines(path.read_bytes())
    except OSError as error:
        raise ContractError(f"{subject} cannot be read: {error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ContractError(f"{subject} breaks its contract: {error}") from error
