"""The base of every JSON artifact: a frozen model with canonical bytes."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tunix_ml.contracts.canonical import canonical_json, sha256_hex
from tunix_ml.contracts.explain import describe


class TunixError(Exception):
    """Something a user can mend; the message is meant for her and says all there is to say.

    One that `may_pass` needs no mending: the same work may succeed a little later.
    """

    may_pass: ClassVar[bool] = False


class ContractError(TunixError, ValueError):
    """A value breaks its contract; the message names the subject, the value and the expectation."""


class Artifact(BaseModel):
    """A JSON artifact: immutable, closed to unknown keys, without NaN or Infinity."""

    # Built at its first use: most processes read a few of the contracts.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def to_json(self) -> bytes:
        """Return the canonical JSON of this artifact, newline-terminated."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"

    def digest(self) -> str:
        """Return the sha256 of the canonical JSON, in hexadecimal."""
        return sha256_hex(self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate one artifact.

        Raises:
            ContractError: the file is not of this contract; the message names file and fields.
        """
        return cls.parse(path.read_bytes(), subject=str(path))

    @classmethod
    def parse(cls, data: bytes, *, subject: str) -> Self:
        """Validate JSON bytes that came from `subject`.

        Raises:
            ContractError: the bytes are not of this contract.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise ContractError(f"{subject} is not a {cls.__name__}: {describe(error, cls)}") from error
