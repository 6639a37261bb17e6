"""What is reachable and what is not, and the next step: one finding a thing, none of them changing anything."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import sqlite3
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from service import endpoints, wiring
from service.broker import try_port
from service.data_lock import holder_of
from service.discovery import discover
from service.port_owner import owner_of
from service.running import trust
from service.settings import Settings
from storage.operational_reader import OperationalReader
from storage.operational_view import OperationalView
from telemetry.errors import RasadError, SettingsError

State = Literal["ok", "warn", "failed"]
#: before this nobody can have installed this version
_EARLIEST_S: Final = 1_735_689_600
_CLOCK_UNSYNCHRONISED: Final = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, in words, and the next step where it is not well."""

    name: str
    state: State
    what: str
    next_step: str = ""


def examine(load: Callable[[], Settings]) -> list[Finding]:
    """Look at everything. Broken settings are a finding, and then the last."""
    try:
        settings = load()
    except SettingsError as error:
        return [Finding("settings", "failed", str(error), "Mend them; `rasad check` shows all mistakes")]
    findings = [Finding("settings", "ok", "read without a mistake"), *_pilots(settings), *_programs(settings), _clock()]
    data = settings.service.data
    holder = holder_of(data)
    findings += _data(data, settings, holder)
    if (data / "operational.sqlite").is_file():
        findings += _operational(data / "operational.sqlite")
    findings.append(_store(settings, holder))
    findings += _broker(settings, holder)
    findings += _ports(settings) if holder is None else _process(data)
    return findings


def _pilots(settings: Settings) -> Iterator[Finding]:
    found = discover(settings.pilots.dirs)
    if found.mistakes:
        first = f"{len(found.mistakes)} mistakes, the first: {found.mistakes[0]}"
        yield Finding("pilots", "failed", first, "Mend them; `rasad check` shows all")
    names = ", ".join(one.pilot.id for one in found.found)
    missing = set(settings.pilots.only) - {one.pilot.id for one in found.found}
    if missing:
        what = f"{', '.join(sorted(missing))} not found; there is {names}"
        yield Finding("pilots", "failed", what, "Give --pilots-dir")
    elif not found.mistakes:
        yield Finding("pilots", "ok", names)


def _programs(settings: Settings) -> Iterator[Finding]:
    if settings.mqtt.url is not None:
        return
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        yield Finding("mosquitto", "failed", "not installed", "Run `make setup`, or set mqtt.url to a broker that runs")
        return
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = said.split("\n", 1)[0].removeprefix("mosquitto version ").strip()
    old = not version.startswith("2.")
    yield Finding("mosquitto", "failed" if old else "ok", f"{program}, version {version or 'unknown'}",
                  "Version 2 is wanted" if old else "")  # fmt: skip


def _clock() -> Finding:
    now_s = time.time()
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
    if now_s < _EARLIEST_S:
        return Finding("clock", "failed", f"stands at {shown}", "Set it; readings would be refused as from the future")
    if ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) == _CLOCK_UNSYNCHRONISED:
        return Finding("clock", "warn", f"{shown}, held against no time server", "Run chrony or systemd-timesyncd")
    return Finding("clock", "ok", shown)


def _data(data: Path, settings: Settings, holder: int | None) -> Iterator[Finding]:
    nearest = next(folder for folder in (data.resolve(), *data.resolve().parents) if folder.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        what = f"{nearest} cannot be written by user {os.geteuid()}"
        yield Finding("data directory", "failed", what, "Mend its rights")
        return
    mode = data.stat().st_mode & 0o777 if data.exists() else 0o700
    used = "not in use" if holder is None else f"in use by process {holder or 'unknown'}"
    if mode & 0o077:
        yield Finding("data directory", "warn", f"{data} has rights {mode:03o}, {used}", f"chmod 700 {data}")
    else:
        yield Finding("data directory", "ok", f"{data}, {used}" if data.exists() else f"{data} will be made")
    disk = os.statvfs(nearest)
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    reserve = min(settings.journal.min_free_disk_bytes, size // 20)
    state: State = "failed" if free < reserve else "warn" if free < 2 * reserve else "ok"
    room = f"{free >> 20} MiB free of {size >> 20}; below {reserve >> 20} MiB nothing is acknowledged any more"
    yield Finding("disk", state, room, "" if state == "ok" else "Make room")


def _operational(file: Path) -> Iterator[Finding]:
    name = "operational database"
    try:
        view = OperationalView(file)
        try:
            wrong = view.quick_check()
            damaged = [f"{table} {number}" for table in ("journal", "outbox")
                       for number, crc, blob in view.blobs(table) if zlib.crc32(blob) != crc]  # fmt: skip
        finally:
            view.close()
        row = OperationalReader(file).ledger()
    except (sqlite3.Error, RasadError) as error:
        yield Finding(name, "failed", f"{file}: {error}", "Restore it from a backup")
        return
    if wrong or damaged:
        what = "; ".join([*wrong[:3], *(f"{one} has a wrong checksum" for one in damaged[:3])])
        yield Finding(name, "failed", what, "Restore it from a backup")
    else:
        yield Finding(name, "ok", f"{file.stat().st_size >> 10} KiB, sound, checksums right")
    accounted = row.stored + row.duplicate + row.pending + sum(row.quarantined.values()) + sum(row.rejected.values())
    what = f"received {row.received:,}, accounted for {accounted:,}, of them pending {row.pending:,}"
    if row.received == accounted:
        yield Finding("ledger", "ok", what)
    else:
        yield Finding("ledger", "failed", what, "Please report this as a fault of ours")


def _store(settings: Settings, holder: int | None) -> Finding:
    address, file = settings.store.address, settings.service.data / "history.duckdb"
    if address is not None:
        try:
            answer = httpx.get(f"{address}/ping", timeout=5.0)
        except httpx.HTTPError as error:
            step = "Start InfluxDB, or mend store.url"
            return Finding("store", "failed", f"{address} does not answer: {error}", step)
        version = answer.headers.get("X-Influxdb-Version", "of unknown version")
        if answer.is_error:
            return Finding("store", "failed", f"{address}/ping answers {answer.status_code}", "Look into its log")
        return Finding("store", "ok", f"{address}, {version}")
    if holder is not None:
        return Finding("store", "ok", f"{file}, open in process {holder or 'unknown'}")
    if not file.exists():
        return Finding("store", "ok", f"{file} will be made")
    return _duckdb(file)


def _duckdb(file: Path) -> Finding:
    import duckdb

    try:
        with duckdb.connect(str(file), read_only=True) as db:
            db.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    except duckdb.Error as error:
        return Finding("store", "failed", f"{file}: {str(error).splitlines()[0]}", "Restore it from a backup")
    return Finding("store", "ok", f"{file}, {file.stat().st_size >> 20} MiB")


def _broker(settings: Settings, holder: int | None) -> Iterator[Finding]:
    running = endpoints.read(settings.service.data, "up") if holder is not None else None
    url = settings.mqtt.url or (running.mqtt if running else None)
    if url is None:
        yield Finding("broker", "ok", "none is set: `rasad up` starts one of its own")
        return
    import aiomqtt

    from service.bus import client_of

    session = wiring.session_settings(settings, url, f"{settings.service.site}-doctor")

    async def connect() -> None:
        async with asyncio.timeout(5), client_of(session, "doctor"):
            pass

    where = endpoints.without_password(url)
    try:
        asyncio.run(connect())
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        step = "Start it, or mend mqtt.url, user and password"
        yield Finding("broker", "failed", f"{where} does not let us in: {str(error) or 'no answer in 5 s'}", step)
    else:
        yield Finding("broker", "ok", f"{where} lets us in")


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted: list[tuple[str, Any]] = [("http", settings.http)]
    if settings.mqtt.url is None:
        wanted.append(("broker", settings.broker))
    for name, section in wanted:
        if not section.port or try_port(section.host, section.port):
            yield Finding(f"{name} port", "ok", f"{section.port or 'any'} on {section.host} is free")
            continue
        asked = "port" in section.model_fields_set
        what = f"{section.port} on {section.host} is taken by {owner_of(section.port) or 'another process'}"
        step = "Stop it, or choose another port" if asked else "The next free one will be used"
        yield Finding(f"{name} port", "failed" if asked else "warn", what, step)


def _process(data: Path) -> Iterator[Finding]:
    running = endpoints.read(data, "up")
    if running is None:
        yield Finding("process", "warn", "says nowhere how it can be reached", "Wait until it has said `rasad ready`")
        return
    try:
        answer = httpx.get(f"{running.health}/readyz", timeout=5.0, verify=trust(running))
        checks = answer.json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield Finding("process", "failed", f"{running.health}/readyz does not answer: {error}", "Look into its log")
        return
    for check in checks:
        yield Finding(f"process: {check['name']}", check["state"], check["why"] or "well", "")
