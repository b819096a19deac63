"""A JSON array of records, as one file of it: read as if every record stood on a line of its own."""

import zlib
from pathlib import Path

import msgspec

from tunix_ml.traces.lines import BYTE_ORDER_MARK, SourceError, open_source

_SUFFIXES = (".json", ".json.gz")
_MAX_BYTES = 1 << 30
_LOOKED_AT_BYTES = 1 << 16
_LINE_ENDS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


def is_array(path: Path) -> bool:
    """Say whether a `.json` file, plain or gzip, begins as an array; many so named hold lines.

    One that cannot be read is none: whoever reads its lines will say why.
    """
    if not path.name.endswith(_SUFFIXES):
        return False
    try:
        with open_source(path) as stream:
            return stream.read(_LOOKED_AT_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"[")
    except (OSError, EOFError, zlib.error):
        return False


def array_lines(path: Path) -> bytes:
    r"""Return the elements of an array, each as it is written, with a b"\n" between them.

    Raises:
        SourceError: the file is too large to be held in memory, or holds no array.
    """
    try:
        with open_source(path) as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise SourceError(f"{path} has more than {_MAX_BYTES} bytes: make an array so large JSONL")
        elements = msgspec.json.decode(content.removeprefix(BYTE_ORDER_MARK), type=list[msgspec.Raw])
    except (OSError, EOFError, zlib.error, RecursionError, msgspec.MsgspecError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} is no JSON array of records: {error}") from error
    # A line end inside a record is white space: in a text it is always escaped.
    return b"\n".join(bytes(element).translate(_LINE_ENDS_TO_SPACES) for element in elements)
