"""History in InfluxDB on bad days, with a real InfluxDB 1.6 behind nginx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from storage.influx_store import InfluxStore
from telemetry.errors import StoreAway, StoreRefused
from telemetry.ports import StoreBatch
from telemetry.registry import SeriesKey, SeriesTable
from tests.contracts.stores import DAY_NS, NOON_NS, assert_same, batch, series_table, some_readings
from tests.servers.influx import InfluxServer, influxdb

PROJECT = Path(__file__).parents[2]


def ask(server: InfluxServer, statement: str) -> Any:
    """Put a statement to the server past the store."""
    answer = httpx.post(f"{server.url}/query", data={"q": statement})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]


def write_foreign(server: InfluxServer, line: str) -> None:
    """Write a point past the store."""
    answer = httpx.post(f"{server.url}/api/v2/write", params={"bucket": "rasad/readings"}, content=line.encode())
    assert answer.status_code == 204, answer.text


@pytest.fixture
def server() -> Iterator[InfluxServer]:
    with influxdb() as one:
        yield one


@asynccontextmanager
async def opened(server: InfluxServer, **settings: Any) -> AsyncIterator[InfluxStore]:
    store = InfluxStore(server.url, settings.pop("series", series_table()), **settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def numbered(number: int, start_ns: int = NOON_NS) -> StoreBatch:
    return batch(number, some_readings([0], [start_ns + number], [float(number)]))


async def times(store: InfluxStore) -> list[int]:
    found = await store.readings(0, 0, 2**62, 1000)
    return [at % DAY_NS for at in found.time_ns.tolist()]


async def test_a_server_that_is_away_is_tried_again_and_found_when_it_is_back(server: InfluxServer) -> None:
    server.proxy.stop()
    async with opened(server) as store:
        with pytest.raises(StoreAway, match=r"no answer .* trying again later"):
            await store.write([numbered(1)])
        with pytest.raises(StoreAway, match="no answer"):
            await store.ping()
        server.proxy.start()
        await store.write([numbered(1)])
        server.stop()
        with pytest.raises(StoreAway, match="answers 502"):
            await store.write([numbered(2)])
        with pytest.raises(StoreAway, match="answers 502"):
            await store.readings(0, 0, 2**62, 10)
        server.start()
        await store.write([numbered(2)])
        assert await times(store) == [1, 2]


async def test_a_server_that_hangs_is_given_up_in_time(server: InfluxServer) -> None:
    async with opened(server, timeout_s=0.5) as store:
        await store.write([numbered(1)])
        server.pause()
        with pytest.raises(StoreAway, match="no answer"):
            await store.write([numbered(2)])
        with pytest.raises(StoreAway, match="no answer"):
            await store.readings(0, 0, 2**62, 10)
        server.resume()
        await store.write([numbered(2)])
        assert await times(store) == [1, 2]


async def test_what_was_written_survives_kill_9_of_the_server(server: InfluxServer) -> None:
    async with opened(server) as store:
        for number in range(20):
            await store.write([numbered(number)])
        server.kill9()
        server.start()
        assert await times(store) == list(range(20))


async def test_a_server_that_asks_to_wait_is_left_alone(server: InfluxServer) -> None:
    async with opened(server) as store:
        busy = server.folder / "busy"
        busy.touch()
        with pytest.raises(StoreAway, match=r"answers 429: .*; it asks to wait 7 s"):
            await store.write([numbered(1)])
        busy.unlink()
        with pytest.raises(StoreAway, match=r"asked to be left alone for another [567] s"):
            await store.write([numbered(1)])


async def test_a_wrong_password_is_told_with_the_cure() -> None:
    with influxdb(auth=True) as server:
        ask(server, "CREATE USER u WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        async with opened(server, username="u", password="wrong") as store:
            with pytest.raises(StoreRefused, match="answers 401: authorization failed; check token, user and password"):
                await store.write([numbered(1)])
        async with opened(server, username="u", password="right") as store:
            await store.write([numbered(1)])
            assert await times(store) == [1]


async def test_bad_points_are_named_and_good_ones_kept(server: InfluxServer) -> None:
    async with opened(server) as store:
        await store.write([numbered(1)])
        write_foreign(server, f'readings,device=x flag="text" {NOON_NS - 30 * DAY_NS}')
        bad, good = numbered(2, NOON_NS - 30 * DAY_NS), numbered(3)
        with pytest.raises(StoreRefused, match=r'input field "flag" .* is type integer, already exists as type string'):
            await store.write([bad, good])
        found = await store.readings(0, NOON_NS, 2**62, 10)
        assert found.time_ns.tolist() == [NOON_NS + 1, NOON_NS + 3]


@pytest.mark.parametrize("device", ["a\nb", "a\x00", "a\\", "", "a\u2028b"])
async def test_names_that_could_forge_lines_are_refused(server: InfluxServer, device: str) -> None:
    table = SeriesTable([(0, SeriesKey("harbour", device, "speed"))], lambda new: [])
    async with opened(server, series=table) as store:
        with pytest.raises(StoreRefused, match="cannot be a tag in InfluxDB"):
            await store.write([numbered(1)])


@pytest.mark.parametrize("device", ["a b,c=d", "d' OR 'x'='x", 'q"; DROP DATABASE rasad', "ü,=\\x", "$tag"])
async def test_names_with_special_characters_stay_names(server: InfluxServer, device: str) -> None:
    keys = [SeriesKey("harbour", device, "speed"), SeriesKey("harbour", "other", "speed")]
    async with opened(server, series=SeriesTable(enumerate(keys), lambda new: [])) as store:
        readings = some_readings([0, 1], [NOON_NS, NOON_NS], [1.0, 2.0])
        await store.write([batch(1, readings)])
        for one in (0, 1):
            assert_same(await store.readings(one, 0, 2**62, 10), readings.take([one]))


def test_a_database_with_a_policy_in_its_name_is_refused() -> None:
    with pytest.raises(StoreRefused, match="leave the policy out"):
        InfluxStore("http://127.0.0.1:1", series_table(), database="rasad/autogen")


async def test_infinite_numbers_are_refused_before_anything_is_written(server: InfluxServer) -> None:
    async with opened(server) as store:
        with pytest.raises(StoreRefused, match="1 readings are infinite"):
            await store.write([batch(1, some_readings([0, 0], [NOON_NS, NOON_NS + 1], [1.0, np.inf]))])
        assert await times(store) == []


async def test_retention_is_set_and_changed_on_the_server(server: InfluxServer) -> None:
    def durations() -> dict[str, str]:
        [series] = ask(server, "SHOW RETENTION POLICIES ON rasad")["series"]
        return {row[0]: row[1] for row in series["values"]}

    async with opened(server, retention_ns={"readings": 400 * DAY_NS, "base": 30 * DAY_NS}):
        assert (durations()["readings"], durations()["w_base"], durations()["w_1h"]) == ("9600h0m0s", "720h0m0s", "0s")
    async with opened(server, retention_ns={"base": 60 * DAY_NS, "events": DAY_NS}):
        assert (durations()["readings"], durations()["w_base"], durations()["events"]) == (
            "0s", "1440h0m0s", "24h0m0s",
        )  # fmt: skip


async def test_points_past_their_retention_hold_nobody_up(server: InfluxServer) -> None:
    async with opened(server, retention_ns={"readings": DAY_NS}) as store:
        await store.write([batch(1, some_readings([0], [DAY_NS], [1.0]))])
        assert await times(store) == []


async def test_a_database_that_was_dropped_is_made_anew(server: InfluxServer) -> None:
    async with opened(server) as store:
        await store.write([numbered(1)])
        ask(server, "DROP DATABASE rasad")
        with pytest.raises(StoreAway, match=r"database not found.*made anew with the next try"):
            await store.write([numbered(2)])
        await store.write([numbered(2)])
        assert await times(store) == [2]


def test_the_wedge_after_a_full_disk_is_told_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    child = f"{sys.executable} -m tests.storage.influx_child {tmp_path}"
    script = f"mount -t tmpfs -o size=10m tmpfs {tmp_path} && exec {child}"
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    ended = subprocess.run(
        [*namespace, "sh", "-c", script], cwd=PROJECT, text=True, capture_output=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    story = json.loads(ended.stdout)
    assert "no space left on device" in story["refusal"]
    assert "after a full disk InfluxDB 1.x goes on so until it is restarted" in story["refusal"]
    assert story["healed"] is None
    assert story["rows"] == (story["kept"] + 1) * 4_000
