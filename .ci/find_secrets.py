"""Look for keys and passwords in every file that git tracks; finding one ends it with an error.

python .ci/find_secrets.py
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tunix_ml.datasets.quality.sensitive import API_KEY, PASSWORD, PRIVATE_KEY, find_sensitive

ROOT = Path(__file__).parents[1]
KINDS = {API_KEY, PASSWORD, PRIVATE_KEY}
# How many a file holds that are none: they try this very search, or have the form it looks for.
MADE_UP = {
    "docs/how-to/deploy.md": 1,
    "tests/end_to_end/test_planted_defects.py": 1,
    "tests/test_supply_chain.py": 1,
    "tests/tunix_ml/contracts/test_judge.py": 1,
    "tests/tunix_ml/datasets/quality/test_examine.py": 1,
    "tests/tunix_ml/datasets/quality/test_sensitive.py": 4,
    "tunix_ml/datasets/quality/sensitive.py": 1,
}


def tracked_files() -> list[Path]:
    """Return what git tracks, or would if it were added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def secrets(text: str) -> Iterator[str]:
    """Yield the line and the kind of each secret in a text; the secret itself is never repeated."""
    for found in find_sensitive(text):
        if found.kind in KINDS:
            yield f"{text.count(chr(10), 0, found.start) + 1}: looks like a {found.kind}"


def unexpected(path: Path) -> list[str]:
    """Return the secrets of a file, each with its place; none if it holds as many as it should."""
    name = path.relative_to(ROOT).as_posix()
    found = list(secrets(path.read_bytes().decode("utf-8", errors="replace")))
    return [] if len(found) == MADE_UP.get(name, 0) else [f"{name}:{sentence}" for sentence in found]


def main() -> int:
    """Say what was found, and in how many files it was looked for."""
    files = tracked_files()
    found = [sentence for path in files for sentence in unexpected(path)]
    sys.stdout.writelines(f"{sentence}\n" for sentence in found)
    sys.stdout.write(f"{len(found)} secrets in {len(files)} files\n")
    return int(bool(found) or not files)


if __name__ == "__main__":
    sys.exit(main())
