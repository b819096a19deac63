"""Faults on demand: every file-system call of a piece of work can be counted, failed or made the last."""

import contextlib
import fcntl
import io
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CALLS = ("open", "fsync", "replace", "rename", "mkdir", "utime", "unlink", "write", "ftruncate")


class FileSystemCalls:
    """Lists the file-system calls made inside `watched`, and brings about a fault before the n-th of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.was_in_cleanup = False
        self._at: int | None = None
        self._fault: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def watched(self, *, at: int | None = None, fault: Callable[[], object] = lambda: None) -> Iterator[None]:
        self.names, self.was_in_cleanup = [], False
        self._at, self._fault = at, fault
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._gated(f"os.{name}", getattr(os, name)))
            patch.setattr(fcntl, "flock", self._gated("fcntl.flock", fcntl.flock))
            patch.setattr(io, "open", self._gated("io.open", self._opening(io.open)))
            yield

    def _gated(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def gated(*args: Any, **kwargs: Any) -> Any:
            self._pass(name)
            return call(*args, **kwargs)

        return gated

    def _opening(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Open for writing without a buffer, so that a fault leaves half of the data in the file."""
        calls = self

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                half = len(data) // 2
                super().write(bytes(data[:half]))
                calls._pass("file.write")
                return half + super().write(bytes(data[half:]))

        def opening(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            return File(path, mode) if mode == "wb" else call(path, mode, *args, **kwargs)

        return opening

    def _pass(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self._at:
            frames = traceback.extract_stack()
            self.was_in_cleanup = any(frame.name in {"rmtree", "_rmtree_safe_fd"} for frame in frames)
            self._fault()


@pytest.fixture
def calls() -> FileSystemCalls:
    return FileSystemCalls()
