"""The till's files are for its own user alone: they hold people's data."""

import os
from contextlib import suppress
from pathlib import Path

MODE = 0o600
FOLDER_MODE = 0o700


def make_folder(path: Path) -> None:
    """The folder, for its own user alone when it is made here. Raises OSError."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE)


def make_private(path: Path) -> None:
    """Has a file that SQLite is about to open be there with mode 0600, whatever the umask; its log and index
    follow the file's mode. One that was there before is mended. What fails, SQLite tells when it opens the file."""
    with suppress(OSError):
        try:
            # Only a new file may be opened here: closing it lets go of every lock this process has on it.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
        except FileExistsError:
            for ending in ("", "-wal", "-shm"):
                _close_to_others(path.with_name(path.name + ending))


def _close_to_others(file: Path) -> None:
    with suppress(FileNotFoundError):
        if file.stat().st_mode & 0o077:
            file.chmod(MODE)
