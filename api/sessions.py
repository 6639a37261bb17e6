"""Sessions of the console: a browser cannot send a bearer token with a page or an event stream, so it carries a cookie.

A session is opened with a token (or with the one-time code of the start) and lives no longer than that token. Only the
SHA-256 of the cookie is kept, so a wall screen survives a restart and a stolen database opens no door.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from pathlib import Path
from typing import Final

SESSION_NS: Final = 30 * 86_400 * 10**9
ONE_TIME_NS: Final = 600 * 10**9

_TABLE: Final = """CREATE TABLE IF NOT EXISTS sessions (
    sha256 BLOB PRIMARY KEY, token_prefix TEXT NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL)"""


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class SessionBook:
    """Open sessions, in a SQLite file (or a connection that the caller owns), and the one-time codes of this start.

    >>> book = SessionBook(":memory:")
    >>> code = book.one_time_code("a1b2c3", now_ns=0)
    >>> book.redeem(code, now_ns=1), book.redeem(code, now_ns=2)
    ('a1b2c3', None)
    >>> cookie = book.open("a1b2c3", now_ns=3)
    >>> book.token_prefix(cookie, now_ns=4)
    'a1b2c3'
    """

    def __init__(self, database: sqlite3.Connection | Path | str) -> None:
        self._owned = not isinstance(database, sqlite3.Connection)
        self._db = database if isinstance(database, sqlite3.Connection) else _open(database)
        self._db.execute(_TABLE)
        self._codes: dict[bytes, tuple[str, int]] = {}

    def shut(self) -> None:
        """Close the file, unless the caller owns the connection."""
        if self._owned:
            self._db.close()

    def one_time_code(self, token_prefix: str, now_ns: int) -> str:
        """Make a code for a sign-in link; it opens one session, within ten minutes."""
        code = secrets.token_urlsafe(32)
        self._codes[_sha256(code)] = (token_prefix, now_ns + ONE_TIME_NS)
        return code

    def redeem(self, code: str, now_ns: int) -> str | None:
        """Use up a one-time code: the prefix of the token it stands for, or None when unknown, used or too old."""
        token_prefix, expires_ns = self._codes.pop(_sha256(code), ("", 0))
        return token_prefix if now_ns < expires_ns else None

    def open(self, token_prefix: str, now_ns: int) -> str:
        """Open a session and give the cookie's value; old sessions are cleared away."""
        cookie = secrets.token_urlsafe(32)
        with self._db:
            self._db.execute("DELETE FROM sessions WHERE expires_ns <= ?", (now_ns,))
            self._db.execute(
                "INSERT INTO sessions VALUES (?,?,?,?)", (_sha256(cookie), token_prefix, now_ns, now_ns + SESSION_NS)
            )
        return cookie

    def token_prefix(self, cookie: str, now_ns: int) -> str | None:
        """Give the prefix of the token that a session was opened with, or None when there is no such session."""
        row = self._db.execute(
            "SELECT token_prefix FROM sessions WHERE sha256 = ? AND expires_ns > ?", (_sha256(cookie), now_ns)
        ).fetchone()
        return None if row is None else str(row[0])

    def close(self, cookie: str) -> None:
        """End a session."""
        with self._db:
            self._db.execute("DELETE FROM sessions WHERE sha256 = ?", (_sha256(cookie),))


def csrf_token(cookie: str) -> str:
    """Give the token that state changes made with this cookie must carry; a page of another host cannot know it."""
    return hmac.new(cookie.encode(), b"csrf", "sha256").hexdigest()


def _open(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    return db
