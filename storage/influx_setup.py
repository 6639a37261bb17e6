"""Making ready an InfluxDB: database and retention policies on 1.x, buckets and their InfluxQL names on 2.x."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from storage import influxql
from storage.influx_errors import http_error
from telemetry.errors import StoreRefused

_SECOND_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """Where points live: one retention policy (1.x) or bucket (2.x) per measurement, named alike everywhere.

    `retention_ns` has how long each measurement is kept; one that is not in it is kept for good.
    """

    database: str
    retention_ns: Mapping[str, int]

    @property
    def measurements(self) -> tuple[str, ...]:
        """Every measurement that Rasad writes."""
        return (influxql.READINGS, *influxql.WINDOWS.values(), influxql.EVENTS)

    def bucket(self, measurement: str) -> str:
        """Name of the bucket of a measurement, as the 2.x write path of every version understands it."""
        return f"{self.database}/{measurement}"

    def seconds(self, measurement: str) -> int:
        """How long a measurement is kept, s; 0 is for good."""
        return -(-self.retention_ns.get(measurement, 0) // _SECOND_NS)


async def prepare(http: httpx.AsyncClient, places: Places, org: str | None) -> None:
    """Make what is missing, as far as the server lets us; writing tells when that was too little."""
    version = (await http.get("/ping")).headers.get("x-influxdb-version", "").lstrip("v")
    try:
        if version.startswith("1."):
            await _prepare_1x(http, places)
        elif version.startswith("2."):
            await _prepare_2x(http, places, org)
    except StoreRefused as refused:
        _log.warning("InfluxDB %s was not made ready, it has to be ready already: %s", version, refused)


async def _prepare_1x(http: httpx.AsyncClient, places: Places) -> None:
    database = influxql.identifier(places.database)
    await _statement(http, f"CREATE DATABASE {database}")
    for name in places.measurements:
        kept_s = places.seconds(name)
        policy = f"RETENTION POLICY {influxql.identifier(name)} ON {database} DURATION {kept_s}s"
        shard = f"SHARD DURATION {_shard_hours(kept_s)}h"
        try:
            await _statement(http, f"CREATE {policy} REPLICATION 1 {shard}")
        except StoreRefused:
            await _statement(http, f"ALTER {policy} {shard}")


def _shard_hours(kept_s: int) -> int:
    """InfluxDB's own defaults, said aloud because ALTER keeps the old one, which may be longer than the retention."""
    if kept_s == 0 or kept_s > 180 * _DAY_S:
        return 7 * 24
    return 24 if kept_s >= 2 * _DAY_S else 1


async def _statement(http: httpx.AsyncClient, statement: str) -> None:
    answer = await http.post("/query", data={"q": statement})
    if answer.is_error:
        raise http_error(statement, answer.status_code, answer.content)
    influxql.rows_of(answer.content)


async def _prepare_2x(http: httpx.AsyncClient, places: Places, org: str | None) -> None:
    org_id = (await _json(http, "GET", "/api/v2/orgs", params={"org": org} if org else {}))["orgs"][0]["id"]
    for name in places.measurements:
        bucket_id = await _bucket(http, places, name, org_id)
        asked = {"orgID": org_id, "db": places.database, "rp": name}
        known = await _json(http, "GET", "/api/v2/dbrps", params=asked)
        if not any(not one.get("virtual") for one in known.get("content", [])):
            body = {"orgID": org_id, "bucketID": bucket_id, "database": places.database, "retention_policy": name}
            await _json(http, "POST", "/api/v2/dbrps", json=body | {"default": name == influxql.READINGS})


async def _bucket(http: httpx.AsyncClient, places: Places, name: str, org_id: str) -> str:
    rules = [{"type": "expire", "everySeconds": places.seconds(name)}] if places.seconds(name) else []
    asked = {"orgID": org_id, "name": places.bucket(name)}
    found = await http.get("/api/v2/buckets", params=asked)
    buckets = found.json().get("buckets", []) if found.is_success else []
    if buckets:
        bucket_id = str(buckets[0]["id"])
        await _json(http, "PATCH", f"/api/v2/buckets/{bucket_id}", json={"retentionRules": rules})
        return bucket_id
    made = await _json(http, "POST", "/api/v2/buckets", json=asked | {"retentionRules": rules})
    return str(made["id"])


async def _json(http: httpx.AsyncClient, method: str, path: str, **request: Any) -> dict[str, Any]:
    answer = await http.request(method, path, **request)
    if answer.is_error:
        raise http_error(f"{method} {path}", answer.status_code, answer.content, answer.headers.get("retry-after"))
    content: dict[str, Any] = answer.json()
    return content
