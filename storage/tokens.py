"""Access tokens: who may use the API, in which role, for which pilots. Only hashes are kept.

A token reads `rasad_<prefix>_<secret>`: the prefix finds the row, the secret has 256 bits, the row holds the
SHA-256 of the whole text. A token is shown once, when it is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

#: how coarse `last_used_ns` is: a write at most this often per token, so that reading never waits for the disk
LAST_USED_GRAIN_NS: Final = 300 * 10**9
FIRST_ADMIN_LABEL: Final = "first admin"

_TABLE: Final = """CREATE TABLE IF NOT EXISTS tokens (
    prefix TEXT PRIMARY KEY, sha256 BLOB NOT NULL, role TEXT NOT NULL, pilots TEXT, label TEXT NOT NULL,
    created_ns INTEGER NOT NULL, expires_ns INTEGER, last_used_ns INTEGER)"""
_COLUMNS: Final = "prefix, role, pilots, label, created_ns, expires_ns, last_used_ns"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token except its secret. `pilots` None means every pilot, now and later."""

    prefix: str
    role: Role
    pilots: frozenset[str] | None
    label: str
    created_ns: int
    expires_ns: int | None
    last_used_ns: int | None

    def may(self, role: Role) -> bool:
        """Tell whether this token carries `role` or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def sees(self, pilot: str | None) -> bool:
        """Tell whether this token may see things of `pilot`; None stands for things of no pilot."""
        return self.pilots is None or pilot in self.pilots


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


_NOBODY: Final = _sha256(secrets.token_urlsafe(32))


class TokenBook:
    """The tokens of one installation, in a SQLite file (or a connection that the caller owns).

    >>> book = TokenBook(":memory:")
    >>> text, token = book.create("operator", label="control room", now_ns=0, pilots=["aqaba-flood"])
    >>> found = book.check(text, now_ns=1)
    >>> found.role, found.sees("aqaba-flood"), found.sees("muttrah"), found.may("admin")
    ('operator', True, False, False)
    >>> book.check(text[:-1], now_ns=1) is None
    True
    """

    def __init__(self, database: sqlite3.Connection | Path | str) -> None:
        self._owned = not isinstance(database, sqlite3.Connection)
        self._db = database if isinstance(database, sqlite3.Connection) else _open(database)
        self._db.execute(_TABLE)
        self._used_ns: dict[str, int] = {}

    def close(self) -> None:
        """Close the file, unless the caller owns the connection."""
        if self._owned:
            self._db.close()

    def create(
        self,
        role: Role,
        *,
        label: str,
        now_ns: int,
        pilots: Iterable[str] | None = None,
        expires_ns: int | None = None,
    ) -> tuple[str, Token]:
        """Make a token and give its text, which nobody can ever show again; ValueError names a bad argument."""
        if role not in ROLES:
            raise ValueError(f"{role!r} is no role; choose one of {', '.join(ROLES)}")
        if expires_ns is not None and expires_ns <= now_ns:
            raise ValueError("the token would be expired at once; choose an expiry that is still to come")
        limited = None if pilots is None else frozenset(pilots)
        prefix = secrets.token_hex(6)
        text = f"rasad_{prefix}_{secrets.token_urlsafe(32)}"
        listed = None if limited is None else msgspec.json.encode(sorted(limited)).decode()
        with self._db:
            self._db.execute(
                "INSERT INTO tokens VALUES (?,?,?,?,?,?,?,NULL)",
                (prefix, _sha256(text), role, listed, label, now_ns, expires_ns),
            )
        return text, Token(prefix, role, limited, label, now_ns, expires_ns, None)

    def check(self, text: str, now_ns: int) -> Token | None:
        """Find the token that `text` is, unless it is unknown or expired. Takes the same time wherever it differs."""
        parts = text.split("_", 2)
        prefix = parts[1] if len(parts) == 3 and parts[0] == "rasad" else ""
        row = self._db.execute("SELECT sha256 FROM tokens WHERE prefix = ?", (prefix,)).fetchone()
        same = hmac.compare_digest(_sha256(text), row[0] if row else _NOBODY)
        return self.find(prefix, now_ns) if same and row else None

    def find(self, prefix: str, now_ns: int) -> Token | None:
        """Find a token by its prefix, unless it is revoked or expired; for sessions that were opened with it."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM tokens WHERE prefix = ?", (prefix,)).fetchone()
        token = _token(row) if row else None
        if token is None or (token.expires_ns is not None and token.expires_ns <= now_ns):
            return None
        self._note_use(token, now_ns)
        return token

    def list(self) -> list[Token]:
        """List every token, oldest first, expired ones too."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY created_ns, prefix").fetchall()
        return [_token(row) for row in rows]

    def revoke(self, prefix: str) -> bool:
        """Take a token back for good; False when there is none with this prefix."""
        with self._db:
            return self._db.execute("DELETE FROM tokens WHERE prefix = ?", (prefix,)).rowcount > 0

    def _note_use(self, token: Token, now_ns: int) -> None:
        last_ns = self._used_ns.get(token.prefix, token.last_used_ns or 0)
        if 0 <= now_ns - last_ns < LAST_USED_GRAIN_NS:
            return
        self._used_ns[token.prefix] = now_ns
        # A busy or full disk must not refuse a reader; the next use writes it.
        with contextlib.suppress(sqlite3.OperationalError), self._db:
            self._db.execute("UPDATE tokens SET last_used_ns = ? WHERE prefix = ?", (now_ns, token.prefix))


def first_admin_token(book: TokenBook, path: Path, now_ns: int) -> Token:
    """Make sure that `path` (mode 0600) holds a valid admin token, making one on the first start.

    The file appears whole or not at all. A token whose file never appeared or was removed is taken back.
    """
    with contextlib.suppress(FileNotFoundError):
        held = book.check(path.read_text("ascii", "replace").strip(), now_ns)
        if held is not None:
            return held
    for token in book.list():
        if token.label == FIRST_ADMIN_LABEL:
            book.revoke(token.prefix)
    text, token = book.create("admin", label=FIRST_ADMIN_LABEL, now_ns=now_ns)
    _write_private(path, text + "\n")
    return token


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _open(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    return db


def _token(row: tuple[str, Role, str | None, str, int, int | None, int | None]) -> Token:
    prefix, role, pilots, label, created_ns, expires_ns, last_used_ns = row
    limited = None if pilots is None else frozenset(msgspec.json.decode(pilots, type=list[str]))
    return Token(prefix, role, limited, label, created_ns, expires_ns, last_used_ns)
