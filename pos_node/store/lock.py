"""One process per till: a lock beside the file, held for as long as the process lives."""

import fcntl
import os
from pathlib import Path

from pos_node.store.errors import LockedElsewhere, Unwritable


class FileLock:
    """Holds `<file>.lock`. The system lets go of it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self) -> None:
        """Raises LockedElsewhere when another process holds it, Unwritable when it cannot be made."""
        beside = self._path.with_name(f"{self._path.name}.lock")
        try:
            handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unwritable(self._path, error.strerror or str(error)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise LockedElsewhere(self._path) from None
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
