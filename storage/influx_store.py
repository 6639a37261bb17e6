"""History in InfluxDB 1.x, 2.x or 3.x: written by influxdb-client, read by InfluxQL over HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import httpx
import numpy as np
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from storage import influxql
from storage.influx_errors import http_error, only_expired, server_words
from storage.influx_setup import Places, prepare
from storage.line_protocol import event_line, reading_lines, tags, window_lines
from storage.newest import newest_windows
from storage.ranges import too_large
from telemetry.columns import I32, I64, Event, Readings, Windows
from telemetry.errors import RasadError, StoreAway, StoreRefused
from telemetry.ports import Resolution, StoreBatch
from telemetry.registry import SeriesTable

LINES_PER_REQUEST: Final = 5_000
REQUESTS_AT_ONCE: Final = 4
STATEMENTS_PER_REQUEST: Final = 200
ROWS_PER_CHUNK: Final = 10_000
_log = logging.getLogger(__name__)
#: The client has no types where we touch it.
_Client: Any = InfluxDBClientAsync
_WriteService: Any = WriteService


class InfluxStore:
    """History in an InfluxDB server; see `telemetry.ports.Store`.

    A point is its series and time, so writing a batch again changes nothing. Every measurement has a retention policy
    (1.x) or bucket `database/measurement` (2.x, 3.x) of its own. `retention_ns` has how long `readings`,
    `base`, `1m`, `1h` and `events` are kept; what is not in it is kept for good. 2.x and 3.x want `token` (2.x also
    `org`), 1.x takes `username` and `password` when it has authentication on.
    """

    name = "influxdb"

    def __init__(
        self,
        url: str,
        series: SeriesTable,
        *,
        database: str = "rasad",
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        org: str | None = None,
        retention_ns: Mapping[str, int] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        if "/" in database:
            raise StoreRefused(
                f"{database!r} cannot be the database: a / parts database and policy; leave the policy out"
            )
        self.url = url.rstrip("/")
        self._series = series
        self._org = org
        self._credentials = (username, password) if username and password else None
        self._token = token
        self._timeout_s = timeout_s
        kept = {_MEASUREMENTS[what]: kept_ns for what, kept_ns in (retention_ns or {}).items()}
        self._places = Places(database, kept)
        self._tags: dict[int, str] = {}
        self._ready = False
        self._not_before_s = 0.0
        self._http: httpx.AsyncClient | None = None
        self._client: Any = None

    async def open(self) -> None:
        """Make the clients and, when the server answers, the database; a server that is away is no error here."""
        headers = {"Authorization": f"Token {self._token}"} if self._token else {}
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            auth=httpx.BasicAuth(*self._credentials) if self._credentials else None,
            timeout=self._timeout_s,
            transport=httpx.AsyncHTTPTransport(retries=1),
        )
        secret = ":".join(self._credentials) if self._credentials else self._token
        self._client = _Client(
            self.url,
            token=secret,
            org=self._org or "-",
            timeout=round(self._timeout_s * 1000),
            auth_basic=self._credentials is not None,
        )
        try:
            await self._prepare()
        except StoreAway as away:
            _log.warning("%s", away)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()
        if self._client is not None:
            await self._client.close()
        self._http = self._client = None

    async def ping(self) -> None:
        """Return when the server takes questions now."""
        await self._prepare()
        influxql.rows_of(await self._query("SHOW MEASUREMENTS LIMIT 1", influxql.READINGS))

    async def expire(self, cutoffs_ns: Mapping[str, int]) -> None:
        """Nothing: the server drops what is past its retention by itself."""

    async def write(self, batches: list[StoreBatch]) -> None:
        """Write the points of all batches; good points are kept even when the server refuses others."""
        await self._prepare()
        points = await asyncio.to_thread(self._lines, batches)
        turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

        async def send(measurement: str, lines: list[str]) -> None:
            async with turns:
                await self._send(measurement, lines)

        requests = [
            send(measurement, lines[first : first + LINES_PER_REQUEST])
            for measurement, lines in points.items()
            for first in range(0, len(lines), LINES_PER_REQUEST)
        ]
        ended = await asyncio.gather(*requests, return_exceptions=True)
        raise_worst(error for error in ended if isinstance(error, BaseException))

    def _lines(self, batches: list[StoreBatch]) -> dict[str, list[str]]:
        readings = Readings.concat([batch.readings for batch in batches])
        points = {influxql.READINGS: reading_lines(readings, self._tags_of)}
        for resolution, measurement in influxql.WINDOWS.items():
            parts = [batch.windows[resolution] for batch in batches if resolution in batch.windows]
            order = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
            newest = newest_windows(Windows.concat(parts), order)
            points[measurement] = window_lines(newest, measurement, self._tags_of)
        points[influxql.EVENTS] = [event_line(event) for batch in batches for event in batch.events]
        return points

    def _tags_of(self, series: int) -> str:
        known = self._tags.get(series)
        if known is None:
            known = self._tags[series] = tags(self._series.key(series))
        return known

    async def _send(self, measurement: str, lines: list[str]) -> None:
        doing = f"writing {len(lines)} points of {measurement} to {self.url}"
        if self._client is None:
            raise StoreAway(f"{self.url} is not open")
        body = await asyncio.to_thread(_gzip, lines)
        service = _WriteService(self._client.api_client)
        async with self._connection(doing):
            try:
                await service.post_write_async(
                    self._org or "-",
                    self._places.bucket(measurement),
                    body,
                    precision="ns",
                    content_encoding="gzip",
                    async_req=False,
                    _return_http_data_only=False,
                )
            except ApiException as error:
                self._judge(doing, error)

    def _judge(self, doing: str, error: ApiException) -> None:
        status, body = int(error.status or 0), error.body or b""
        if only_expired(status, body):
            _log.info("%s: %s", doing, server_words(body))
            return
        headers: Mapping[str, str] = error.headers or {}
        retry_after = headers.get("Retry-After")
        self._note_wait(retry_after)
        if "not found" in server_words(body):
            self._ready = False
            raise StoreAway(f"{doing}: {server_words(body)}; it is made anew with the next try") from error
        raise http_error(doing, status, body, retry_after) from error

    def _note_wait(self, retry_after: str | None) -> None:
        if retry_after and retry_after.isdigit():
            self._not_before_s = time.monotonic() + int(retry_after)

    async def _prepare(self) -> None:
        wait_s = self._not_before_s - time.monotonic()
        if wait_s > 0:
            raise StoreAway(f"{self.url} asked to be left alone for another {wait_s:.0f} s")
        if self._ready:
            return
        if self._http is None:
            raise StoreAway(f"{self.url} is not open")
        async with self._connection(f"making ready {self.url}"):
            await prepare(self._http, self._places, self._org)
        self._ready = True

    @asynccontextmanager
    async def _connection(self, doing: str) -> AsyncIterator[None]:
        """Tell every fault of the connection as `StoreAway`."""
        try:
            yield
        except (aiohttp.ClientError, httpx.TransportError, TimeoutError, OSError) as error:
            raise StoreAway(f"{doing}: no answer ({type(error).__name__} {error}); trying again later") from error

    async def _query(self, statements: str, measurement: str) -> bytes:
        if self._http is None:
            raise StoreAway(f"{self.url} is not open")
        asked = {"db": self._places.database, "rp": measurement, "epoch": "ns", "chunked": "true"}
        doing = f"asking {self.url} for {measurement}"
        async with self._connection(doing):
            answer = await self._http.post("/query", data=asked | {"chunk_size": str(ROWS_PER_CHUNK), "q": statements})
        if answer.is_error:
            raise http_error(doing, answer.status_code, answer.content, answer.headers.get("retry-after"))
        return answer.content

    async def readings(self, series: int, from_ns: int, to_ns: int, limit: int) -> Readings:
        """Readings of one series in [from_ns, to_ns) by time; raises `RangeTooLarge` beyond `limit` rows."""
        key = self._series.key(series)
        content = await self._query(influxql.select_readings(key, from_ns, to_ns, limit + 1), influxql.READINGS)
        found = influxql.readings_of(content, [series])
        if len(found) > limit:
            count = influxql.select_count(influxql.READINGS, "flag", key, from_ns, to_ns)
            raise too_large(await self._number(count, influxql.READINGS), "readings", key, limit)
        return found

    async def windows(self, series: int, resolution: Resolution, from_ns: int, to_ns: int, limit: int) -> Windows:
        """Newest revision of each window of one series that starts in [from_ns, to_ns), by start."""
        key, measurement = self._series.key(series), influxql.WINDOWS[resolution]
        content = await self._query(influxql.select_windows(key, resolution, from_ns, to_ns, limit + 1), measurement)
        found = influxql.windows_of(content, [series])
        if len(found) > limit:
            count = influxql.select_count(measurement, "count", key, from_ns, to_ns)
            raise too_large(await self._number(count, measurement), f"{resolution} windows", key, limit)
        return found

    async def _number(self, statement: str, measurement: str) -> int:
        [[_, number]] = influxql.rows_of(await self._query(statement, measurement))
        return int(number)

    async def recall_readings(self, series: I32, start_ns: I64, span_ns: int) -> Readings:
        """All readings in the spans [start_ns[i], start_ns[i] + span_ns) of series[i], by series and time."""
        parts = []
        for ranges in _portions(influxql.recall_ranges(series, start_ns, span_ns)):
            asked = ";".join(influxql.select_readings(self._series.key(one), first, end) for one, first, end in ranges)
            content = await self._query(asked, influxql.READINGS)
            parts.append(influxql.readings_of(content, [one for one, _, _ in ranges]))
        found = Readings.concat(parts)
        return found.take(influxql.within_spans(found.series, found.time_ns, series, start_ns, span_ns))

    async def recall_windows(self, series: I32, start_ns: I64, span_ns: int, resolution: Resolution) -> Windows:
        """Newest revisions of the windows that start in those spans, by series and start."""
        parts = []
        for ranges in _portions(influxql.recall_ranges(series, start_ns, span_ns)):
            asked = ";".join(
                influxql.select_windows(self._series.key(one), resolution, first, end) for one, first, end in ranges
            )
            content = await self._query(asked, influxql.WINDOWS[resolution])
            parts.append(influxql.windows_of(content, [one for one, _, _ in ranges]))
        found = Windows.concat(parts)
        return found.take(influxql.within_spans(found.series, found.start_ns, series, start_ns, span_ns))

    async def events(
        self, pilot: str, device: str | None, kind: str | None, from_ns: int, to_ns: int, limit: int
    ) -> list[Event]:
        """Events in [from_ns, to_ns) by time, at most `limit`."""
        asked = influxql.select_events(pilot, device, kind, from_ns, to_ns)
        found = influxql.events_of(await self._query(asked, influxql.EVENTS))
        inside = [event for event in found if from_ns <= event.time_ns < to_ns]
        return sorted(inside, key=lambda event: (event.time_ns, event.device, event.kind, event.key))[:limit]


_MEASUREMENTS: Final = {"readings": influxql.READINGS, "events": influxql.EVENTS} | {
    str(resolution): measurement for resolution, measurement in influxql.WINDOWS.items()
}


def _portions(ranges: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    return [ranges[at : at + STATEMENTS_PER_REQUEST] for at in range(0, len(ranges), STATEMENTS_PER_REQUEST)]


def _gzip(lines: list[str]) -> bytes:
    """Compress at the lowest level: a fifth of the time of the client's own level 9, and 1.3 times the bytes."""
    pressed = zlib.compressobj(1, zlib.DEFLATED, 31)
    return pressed.compress("\n".join(lines).encode()) + pressed.flush()


def raise_worst(errors: Iterable[BaseException]) -> None:
    """Raise what the caller must hear first: a bug, then `StoreAway` (all is tried again), then `StoreRefused`."""
    ranked = sorted(errors, key=lambda e: (isinstance(e, RasadError), isinstance(e, StoreRefused)))
    if ranked:
        raise ranked[0]
