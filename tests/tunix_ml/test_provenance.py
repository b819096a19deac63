import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_ml import provenance as module
from tunix_ml.provenance import provenance, source_digest


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of its own in the place of tunix_ml."""
    root = tmp_path / "repository" / "tunix_ml"
    (root / "traces" / "generators").mkdir(parents=True)
    (root / "store.py").write_bytes(b"A = 1\n")
    (root / "provenance.py").write_bytes(b"")
    (root / "traces" / "ingest.py").write_bytes(b"B = 1\n")
    (root / "traces" / "generators" / "sums.py").write_bytes(b"C = 1\n")
    monkeypatch.setattr(module, "_ROOT", root)
    monkeypatch.setattr(module, "__file__", str(root / "provenance.py"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    source_digest.cache_clear()
    yield root
    source_digest.cache_clear()


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(root.parent), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path) -> str:
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "All of it")
    return git(root, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["store.py", "traces/ingest.py", "traces/generators/sums.py"])
def test_the_source_digest_changes_with_any_line(source: Path, name: str) -> None:
    before = source_digest("store", "traces")
    with (source / name).open("a") as file:
        file.write("# a comment\n")
    source_digest.cache_clear()

    assert source_digest("store", "traces") != before


def test_the_source_digest_changes_with_the_name_of_a_file(source: Path) -> None:
    before = source_digest("traces")
    (source / "traces" / "ingest.py").rename(source / "traces" / "reader.py")
    source_digest.cache_clear()

    assert source_digest("traces") != before


def test_the_source_digest_ignores_other_parts_order_repetition_and_line_ends(source: Path) -> None:
    before = source_digest("store", "traces")
    (source / "other.py").write_text("D = 1\n")
    (source / "store.py").write_bytes(b"A = 1\r\n")
    source_digest.cache_clear()

    assert source_digest("traces", "store", "traces") == before


def test_a_part_that_does_not_exist_is_an_error(source: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"trases\.py"):
        source_digest("trases")


def test_the_source_digest_of_this_package_is_a_sha256() -> None:
    assert len(source_digest("store", "contracts")) == 64


def test_provenance_of_a_clean_repository_names_its_commit(source: Path) -> None:
    revision = commit(source)

    found = provenance()

    assert (found["commit"], found["dirty"]) == (revision, False)


def test_a_changed_file_makes_the_provenance_dirty(source: Path) -> None:
    revision = commit(source)
    (source / "store.py").write_text("A = 2\n")

    found = provenance()

    assert (found["commit"], found["dirty"]) == (revision, True)


def test_without_a_repository_the_commit_is_unknown_and_not_called_clean(source: Path) -> None:
    found = provenance()

    assert (found["commit"], found["dirty"]) == (None, None)


def test_a_repository_that_only_surrounds_the_source_is_not_its_provenance(source: Path) -> None:
    (source.parent / ".gitignore").write_text("tunix_ml/\n")
    commit(source)

    found = provenance()

    assert (found["commit"], found["dirty"]) == (None, None)


def test_without_git_the_commit_is_unknown(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(source)
    monkeypatch.setenv("PATH", str(source))

    assert shutil.which("git") is None
    assert provenance()["commit"] is None


def test_provenance_names_platform_and_packages(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGES", ("pyarrow", "no-such-package"))

    found = provenance()

    assert found["packages"]["pyarrow"]
    assert found["packages"]["no-such-package"] is None
    assert found["python"]
    assert found["platform"]


def test_provenance_names_all_that_computes_the_numbers() -> None:
    numeric = {"jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy"}
    text = {"tokenizers", "transformers", "safetensors"}

    packages = provenance()["packages"]

    assert all(packages[name] for name in numeric | text)
