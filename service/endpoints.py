"""`endpoints.json` in the data directory: where the process that works on it can be reached, for the other verbs."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

Verb = Literal["up", "ingest", "api"]
#: the API in a process of its own has a file of its own beside that of the worker
_FILES: Final[dict[Verb, str]] = {"up": "endpoints.json", "ingest": "endpoints.json", "api": "endpoints.api.json"}


class Endpoints(msgspec.Struct, frozen=True):
    """Where to reach a process. `http` is the API, None where it serves none; `certificate` is that of https."""

    verb: Verb
    pid: int
    mqtt: str
    http: str | None
    health: str
    certificate: str | None = None


@contextmanager
def written(data: Path, endpoints: Endpoints) -> Iterator[None]:
    """Keep the file there while the block runs; it appears whole or not at all."""
    file = data / _FILES[endpoints.verb]
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(endpoints), indent=2) + b"\n")
    os.replace(draft, file)
    try:
        yield
    finally:
        # a second API on the directory may have written its own over ours
        if read(data, endpoints.verb) == endpoints:
            with contextlib.suppress(OSError):
                file.unlink()


def read(data: Path, verb: Verb) -> Endpoints | None:
    """Read what a process left there, None when there is nothing; it may be of a process that was killed."""
    try:
        return msgspec.json.decode((data / _FILES[verb]).read_bytes(), type=Endpoints)
    except (OSError, msgspec.DecodeError):
        return None


def without_password(url: str) -> str:
    """Leave user and password out of an address: secrets stay in the settings.

    >>> without_password("mqtts://ingest:secret@broker.example:8883")
    'mqtts://broker.example:8883'
    """
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
