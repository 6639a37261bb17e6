"""Recordings: one message a line, `{"topic": …, "payload": …, "at_ms": …}`, UTF-8, perhaps gzipped.

The payload is the JSON value where it is one that JSON gives back unchanged in meaning, else the text as a string, and
base64 with `"encoding": "base64"` where it is no UTF-8. A payload that is itself a JSON string stands as text, quotes
and all, so that a string in a recording always is the payload's own text. `"retain": true` marks retained messages.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NoReturn, cast

from simulators.message import Message, json_bytes

_GZIP_MAGIC: Final = b"\x1f\x8b"
LONGEST_LINE: Final = 4 * 1024 * 1024


class BadRecording(Exception):
    """A line of a recording cannot be read: the text names file, line and what was expected."""


class _NotJson(ValueError):
    """Text that Python's reader would take for JSON, or would not give back as it was."""


def line_of(message: Message) -> bytes:
    """Write a message as one line, newline included.

    >>> line_of(Message("city/v1/muttrah/aq-souq/status", b"online", 5, True)).decode().rstrip()
    '{"topic":"city/v1/muttrah/aq-souq/status","payload":"online","at_ms":5,"retain":true}'
    """
    line: dict[str, Any] = {"topic": message.topic} | _payload_members(message.payload)
    line["at_ms"] = message.at_ms
    if message.retain:
        line["retain"] = True
    return json_bytes(line) + b"\n"


def _payload_members(payload: bytes) -> dict[str, Any]:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"payload": base64.b64encode(payload).decode(), "encoding": "base64"}
    try:
        value = _strict_json(text)
        json_bytes(value)
    except (ValueError, RecursionError):
        return {"payload": text}
    return {"payload": text if isinstance(value, str) else value}


def _strict_json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_without_doubles)


def _refuse(what: str) -> NoReturn:
    raise _NotJson(what)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotJson(text)
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotJson("a member stands twice")
    return members


def message_of(line: bytes) -> Message:
    """Read one line; ValueError says what is wrong with it."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE:,} bytes")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON object ({_short(error)})") from None
    if not isinstance(record, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - one error class for a bad line
    topic, at_ms, retain = record.get("topic"), record.get("at_ms"), record.get("retain", False)
    if not isinstance(topic, str) or not topic or set(topic) & set("+#\0"):
        raise ValueError('has no usable "topic": it must be a text without + and #')
    if not isinstance(at_ms, int | float) or isinstance(at_ms, bool) or not abs(at_ms) < 1e15:
        raise ValueError('has no usable "at_ms": it must be a number of ms since 1970')
    if not isinstance(retain, bool):
        raise ValueError('has a "retain" that is neither true nor false')  # noqa: TRY004 - as above
    return Message(topic, _payload_of(record), int(at_ms), retain)


def _payload_of(record: dict[str, Any]) -> bytes:
    if "payload" not in record:
        raise ValueError('has no "payload"')
    payload, encoding = record["payload"], record.get("encoding")
    if encoding is None:
        return payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else json_bytes(payload)
    if encoding != "base64" or not isinstance(payload, str):
        raise ValueError('has an "encoding" other than "base64", or base64 that is no text')
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ValueError(f"has a payload that is no base64 ({error})") from None


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120] or type(error).__name__


class Recording:
    """An opened recording: iterate over its messages; `bytes_read` of `size` tells how far that is."""

    def __init__(self, file: Path) -> None:
        """Open a file, gzipped or not, whatever its name says; OSError when it cannot be read."""
        self.file, self.size = file, file.stat().st_size
        self._raw = file.open("rb")
        gzipped = self._raw.read(2) == _GZIP_MAGIC
        self._raw.seek(0)
        self._lines: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw)) if gzipped else self._raw

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far, compressed where it is."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[Message]:
        number = 0
        try:
            while line := self._lines.readline(LONGEST_LINE + 1):
                number += 1
                if line.strip():
                    yield message_of(line)
        except (ValueError, EOFError, gzip.BadGzipFile) as error:
            what = error if isinstance(error, ValueError) else f"cannot be unpacked ({_short(error)})"
            wanted = '{"topic": …, "payload": …, "at_ms": …}'
            raise BadRecording(f"{self.file}:{max(1, number)}: line {number} {what}; a line is {wanted}") from None

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()
        self._raw.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
