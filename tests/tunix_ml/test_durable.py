import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tunix_ml import durable
from tunix_ml.contracts.base import ContractError
from tunix_ml.durable import LeaseHeld, lease, make_directory, plain_files, sweep, touch, write_atomically


def synced_paths(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the path of every file and directory that is flushed to the disk."""
    synced: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def is_link_to(path: Path, directory: Path) -> bool:
    return path.is_symlink() and path.readlink().parent == directory


def hold(path: Path) -> subprocess.Popen[str]:
    """Start another process that takes the lease and keeps it."""
    script = (
        "import sys; from pathlib import Path; from tunix_ml.durable import lease\n"
        "with lease(Path(sys.argv[1]), timeout_s=0.0): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_lease_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with lease(tmp_path / ".lease", timeout_s=0.0):
            pass


def test_a_lease_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lease(tmp_path / ".lease", timeout_s=0.0):
        raise KeyError

    with lease(tmp_path / ".lease", timeout_s=0.0):
        pass


def test_a_lease_held_elsewhere_names_its_owner(tmp_path: Path) -> None:
    with hold(tmp_path / ".lease") as holder:
        with pytest.raises(LeaseHeld) as refusal, lease(tmp_path / ".lease", timeout_s=0.0):
            pass
        holder.communicate("")

    assert str(tmp_path) in str(refusal.value)
    assert json.dumps({"pid": holder.pid, "host": socket.gethostname()}) in str(refusal.value)


def test_a_lease_is_free_at_once_when_its_owner_is_killed(tmp_path: Path) -> None:
    with hold(tmp_path / ".lease") as holder:
        holder.kill()
        holder.wait()

        with lease(tmp_path / ".lease", timeout_s=0.0):
            owner = (tmp_path / ".lease").read_text()

    assert json.loads(owner)["pid"] == os.getpid()


def test_a_lease_does_not_stay_with_a_child_that_shares_its_file(tmp_path: Path) -> None:
    with lease(tmp_path / ".lease", timeout_s=0.0):
        descriptors = [path for path in Path("/proc/self/fd").iterdir() if is_link_to(path, tmp_path)]
        shared = os.dup(int(descriptors[0].name))

    with lease(tmp_path / ".lease", timeout_s=0.0):
        os.close(shared)


def test_a_lease_is_waited_for_until_the_timeout(tmp_path: Path) -> None:
    taken, done = threading.Event(), threading.Event()

    def work() -> None:
        with lease(tmp_path / ".lease", timeout_s=0.0):
            taken.set()
            done.wait()

    thread = threading.Thread(target=work)
    thread.start()
    taken.wait()
    started = time.monotonic()
    with pytest.raises(LeaseHeld), lease(tmp_path / ".lease", timeout_s=0.2):
        pass
    waited_s = time.monotonic() - started
    threading.Timer(0.1, done.set).start()

    with lease(tmp_path / ".lease", timeout_s=10.0):
        assert done.is_set()
    thread.join()
    assert waited_s >= 0.2


def test_an_atomic_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"old and longer")

    write_atomically(tmp_path / "config.json", b"new")

    assert (tmp_path / "config.json").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "config.json"]


def test_an_atomic_write_reaches_the_disk_before_its_name_and_its_name_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced = synced_paths(monkeypatch)
    synced_before_replace: list[Path] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *args: (synced_before_replace.extend(synced), replace(*args)))

    write_atomically(tmp_path / "config.json", b"new")

    assert [path.name[:5] for path in synced_before_replace] == [".tmp-"]
    assert synced[1:] == [tmp_path]


def test_every_directory_made_is_written_to_the_disk_by_its_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced = synced_paths(monkeypatch)

    make_directory(tmp_path / "a" / "b" / "c")
    make_directory(tmp_path / "a" / "b" / "c")

    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")

    with pytest.raises(FileExistsError):
        make_directory(tmp_path / "a")


def test_plain_files_are_listed_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.txt", "b/z.txt", "b/a.txt", ".hidden"):
        (tmp_path / name).write_text(name)

    names = [path.relative_to(tmp_path).as_posix() for path in plain_files(tmp_path)]

    assert names == [".hidden", "b/a.txt", "b/z.txt", "c.txt"]


@pytest.mark.parametrize("target", ["one.txt", "missing.txt", "/etc/hostname", "."])
def test_links_are_no_plain_files(tmp_path: Path, target: str) -> None:
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "link").symlink_to(target)

    with pytest.raises(ContractError, match="link is a link or a device, only plain files"):
        plain_files(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ContractError, match="pipe is a link or a device"):
        plain_files(tmp_path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_sweep_deletes_what_matches_is_old_and_is_not_kept(tmp_path: Path) -> None:
    for name in (".tmp-old", ".tmp-kept", ".tmp-young", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.txt").write_text(name)
        os.utime(tmp_path / name, (1_000.0, 2_000.0 if name == ".tmp-young" else 1_000.0))

    removed = sweep(tmp_path, [".tmp-*"], kept={".tmp-kept"}, written_before=1_500.0)

    assert removed == [tmp_path / ".tmp-old"]
    assert {path.name for path in tmp_path.iterdir()} == {".tmp-kept", ".tmp-young", "other"}


def test_a_sweep_deletes_single_files_too(tmp_path: Path) -> None:
    (tmp_path / ".tmp-old").write_text("old")

    assert sweep(tmp_path, [".tmp-*"], kept=(), written_before=time.time() + 1) == [tmp_path / ".tmp-old"]
    assert list(tmp_path.iterdir()) == []


def test_touching_makes_young_and_makes_nothing_new(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    os.utime(tmp_path / "old", (1.0, 1.0))

    touch(tmp_path / "old")
    touch(tmp_path / "missing")

    assert time.time() - (tmp_path / "old").stat().st_mtime < 60
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_lease_is_seen_while_it_is_held_and_not_before_or_after(tmp_path: Path) -> None:
    path = tmp_path / ".lease"
    seen = [durable.is_leased(path)]
    with durable.lease(path, timeout_s=0):
        seen.append(durable.is_leased(path))
    seen.append(durable.is_leased(path))

    assert seen == [False, True, False]


def test_a_lease_of_another_machine_is_believed(tmp_path: Path) -> None:
    path = tmp_path / ".lease"
    path.write_text('{"pid": 1, "host": "elsewhere"}')

    assert durable.is_leased(path)


@pytest.mark.parametrize("damaged", ["", "[]", '{"pid": "x", "host": "y"}'])
def test_a_lease_with_a_damaged_owner_is_not_held(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / ".lease"
    path.write_text(damaged)

    assert not durable.is_leased(path)
