"""One published artifact, as it is read: an immutable directory, and the record that lies in it."""

from dataclasses import dataclass
from pathlib import Path

from tunix_ml.contracts.artifact import ArtifactRecord
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import file_sha256

RECORD_FILE = "artifact.json"


class StoreError(TunixError):
    """Something is wrong with the store; its subclasses say what.

    StoreError
    ├── NotPublished      there is no such artifact
    ├── VersionConflict   an immutable version would change its content
    ├── CorruptArtifact   files are missing or differ from what was published
    └── StaleGeneration   another writer moved the pointer since the lease was taken
    """


class NotPublished(StoreError):
    """There is no such artifact."""


class CorruptArtifact(StoreError):
    """Files of an artifact are missing or differ from what was published."""


@dataclass(frozen=True)
class Snapshot:
    """One published artifact: an immutable directory and the record of what is in it."""

    path: Path
    record: ArtifactRecord

    @property
    def digest(self) -> str:
        """The content digest, sha256 in hexadecimal."""
        return self.record.content_digest

    def file(self, name: str) -> Path:
        """Return the path of one file after comparing its sha256 with the record.

        Raises:
            NotPublished: the artifact has no file of this name.
            CorruptArtifact: the file is missing or its bytes have changed.
        """
        if name not in self.record.files:
            raise NotPublished(f"{self.path} has no file {name!r}, it has {sorted(self.record.files)}")
        if problem := self._problem(name):
            raise CorruptArtifact(f"{problem}; materialize {self.record.table} of {self.record.key!r} again")
        return self.path / name

    def verify(self) -> list[str]:
        """Return one sentence for each file that is missing, changed or was not published."""
        problems = [problem for name in self.record.files if (problem := self._problem(name))]
        found = {path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if not path.is_dir()}
        extra = sorted(found - {*self.record.files, RECORD_FILE})
        return problems + [f"{self.path / name} was never published" for name in extra]

    def _problem(self, name: str) -> str | None:
        path, expected = self.path / name, self.record.files[name].sha256
        if path.is_symlink() or not path.is_file():
            return f"{path} is missing"
        found = file_sha256(path)
        return None if found == expected else f"{path} has sha256 {found}, published as {expected}"
