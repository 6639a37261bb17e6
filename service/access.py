"""The first admin token of a data directory, made once also when two processes begin together."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

from storage.tokens import Token, TokenBook, first_admin_token


def admin_token(book: TokenBook, data: Path) -> Token:
    """Make sure that `admin.token` holds a valid token."""
    with (data / "access.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return first_admin_token(book, data / "admin.token", time.time_ns())
