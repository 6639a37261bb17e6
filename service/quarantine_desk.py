"""Quarantine from the shell: over the API of a running process, else on the operational database."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ingest.message import pack
from service.data_lock import DataLock
from service.running import Api, api_client, api_of, running_on
from service.settings import Settings
from storage.operational import Operational, connect
from storage.operational_reader import KeptAside, OperationalReader
from storage.operational_view import RequestBook
from telemetry.errors import Mistake, SettingsError
from telemetry.reasons import NO_PILOT

_PAGE = 500
Row = dict[str, Any]


class Desk(Protocol):
    """What can be done with quarantine. Rows are as in the API."""

    def rows(self, pilot: str | None, reason: str | None) -> Iterator[Row]:
        """Rows newest first; long payloads may be cut."""

    def row(self, row_id: int) -> Row | None:
        """One row with its whole payload."""

    def requeue(self, row_id: int) -> None:
        """Send a row through ingest again."""

    def drop(self, row_id: int) -> None:
        """Throw a row away."""


@contextmanager
def desk(settings: Settings, data: Path) -> Iterator[Desk]:
    """Open the way that is right now."""
    at = api_of(data)
    if at is not None:
        with api_client(data, at) as api:
            yield _OverApi(api)
    elif running_on(data) is not None:
        yield _BesideWorker(settings, data)
    else:
        yield _Alone(settings, data)


class _OverApi:
    def __init__(self, api: Api) -> None:
        self._api = api

    def rows(self, pilot: str | None, reason: str | None) -> Iterator[Row]:
        cursor: str | None = None
        while True:
            page = self._api.get("/quarantine", pilot=pilot, reason=reason, limit=_PAGE, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def row(self, row_id: int) -> Row | None:
        try:
            row: Row = self._api.get(f"/quarantine/{row_id}")
        except SettingsError:
            return None
        return row

    def requeue(self, row_id: int) -> None:
        self._api.post(f"/quarantine/{row_id}/requeue")

    def drop(self, row_id: int) -> None:
        self._api.delete(f"/quarantine/{row_id}")


class _OnFile:
    """Reads the operational database; how rows leave it depends on whether a worker runs."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self._file = data / "operational.sqlite"
        self._reader = OperationalReader(self._file)
        self._most_bytes = settings.quarantine.max_bytes
        self._data = data

    def rows(self, pilot: str | None, reason: str | None) -> Iterator[Row]:
        before: int | None = None
        while page := self._reader.quarantine(pilot, reason, before, _PAGE):
            yield from map(_view, page)
            before = page[-1].id

    def row(self, row_id: int) -> Row | None:
        found = self._reader.quarantine_row(row_id)
        return _view(found) if found else None

    @contextmanager
    def _opened(self) -> Iterator[Operational]:
        operational = Operational(self._file, self._most_bytes)
        operational.open()
        try:
            yield operational
        finally:
            operational.close()

    def drop(self, row_id: int) -> None:
        with self._opened() as operational:
            if not operational.drop(row_id):
                raise _gone(row_id)


class _Alone(_OnFile):
    """Nobody works on the directory: what is requeued waits in the journal for the next start."""

    def requeue(self, row_id: int) -> None:
        def pack_again(topic: str, payload: bytes, received_ns: int) -> bytes:
            return pack([(topic, payload, False, received_ns)])

        with DataLock(self._data), self._opened() as operational:
            if operational.requeue(row_id, pack_again) is None:
                raise _gone(row_id)


class _BesideWorker(_OnFile):
    """A worker without an API: it is asked through the file and does it within a second or two."""

    def requeue(self, row_id: int) -> None:
        if self._reader.quarantine_row(row_id) is None:
            raise _gone(row_id)
        db = connect(self._file)
        try:
            RequestBook(db).ask(row_id, "shell")
        finally:
            db.close()


def _gone(row_id: int) -> SettingsError:
    what = f"there is no row {row_id} in quarantine"
    cure = "It was requeued, dropped or never there; `rasad quarantine list` shows what is"
    return SettingsError([Mistake("command line", 0, "id", what, cure)])


def _view(row: KeptAside) -> Row:
    try:
        payload, encoding = row.payload.decode(), "utf-8"
    except UnicodeDecodeError:
        payload, encoding = base64.b64encode(row.payload).decode(), "base64"
    return {
        "id": row.id, "pilot": None if row.pilot == NO_PILOT else row.pilot, "device": row.device or None,
        "topic": row.topic, "reason": row.reason, "detail": row.detail, "received_ms": row.received_ns / 1e6,
        "readings": row.readings, "payload": payload, "payload_encoding": encoding,
        "payload_bytes": len(row.payload), "payload_cut": False,
    }  # fmt: skip
