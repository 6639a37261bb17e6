"""The data directory belongs to one process at a time: a lock that dies with its holder, and who that is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from telemetry.errors import Mistake, SettingsError

#: somebody who only looks whether the lock is held holds it for a moment
_PATIENCE_S: Final = 0.3


class DataLock:
    """Holds the directory until `release` or the end of the process; `SettingsError` names who has it already."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            data.chmod(0o700)
        self._file = (data / "lock").open("a+")
        deadline = time.monotonic() + _PATIENCE_S
        while not _locked(self._file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                self._file.seek(0)
                owner = self._file.read().strip()
                self._file.close()
                what = f"is in use by process {owner}" if owner else "is in use by another process"
                raise SettingsError([Mistake(str(data), 0, "--data", what, "Stop it, or give another folder")])
            time.sleep(0.02)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the directory go."""
        self._file.close()

    def __enter__(self) -> DataLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder_of(data: Path) -> int | None:
    """Process id of who holds the directory: 0 when it does not say, None when nobody does."""
    try:
        with (data / "lock").open("r") as file:
            if _locked(file.fileno(), fcntl.LOCK_SH):
                return None
            text = file.read().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdigit() else 0


def _locked(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
