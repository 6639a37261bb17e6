"""The embedded history on bad days: killed, locked, damaged, out of room."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from storage.duckdb_store import DuckDBStore
from telemetry.errors import StoreRefused
from tests.storage.duckdb_child import batches_in, numbered_batch, open_store

PROJECT = Path(__file__).parents[2]
CHILD = [sys.executable, "-m", "tests.storage.duckdb_child"]


def child(what: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CHILD, what, str(folder)], cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def recovered(folder: Path) -> list[int]:
    async def look() -> list[int]:
        store = open_store(folder)
        await store.open()
        try:
            return await batches_in(store)
        finally:
            await store.close()

    return asyncio.run(look())


def write_until_killed(folder: Path, acks: int) -> int:
    """Let a child write, kill it in the middle of the write after `acks` of them; gives the last one it told."""
    with child("write", folder) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(acks)]
        writer.kill()
        told += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    return told[-1]


def test_kill_9_loses_nothing_that_write_returned_for(tmp_path: Path) -> None:
    draw, last = random.Random(8), 0
    for _ in range(8):
        last = write_until_killed(tmp_path, draw.randrange(1, 25))
        there = recovered(tmp_path)
        assert there in ([*range(1, last + 1)], [*range(1, last + 2)])
    assert last > 30


@pytest.mark.parametrize(
    "tail",
    [lambda log: log[-5_000:-77], lambda log: bytes(4_096), lambda log: random.Random(1).randbytes(4_096)],
    ids=["cut", "zeros", "garbage"],
)
def test_a_torn_tail_of_the_log_costs_only_what_was_not_acknowledged(
    tmp_path: Path, tail: Callable[[bytes], bytes]
) -> None:
    last = write_until_killed(tmp_path, 2)
    log = tmp_path / "history.duckdb.wal"
    with log.open("ab") as file:
        file.write(tail(log.read_bytes()))
    assert recovered(tmp_path) in ([*range(1, last + 1)], [*range(1, last + 2)])


def test_a_log_that_is_damaged_in_the_middle_is_refused_with_the_cure(tmp_path: Path) -> None:
    write_until_killed(tmp_path, 2)
    log = tmp_path / "history.duckdb.wal"
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"\xff" * 64)
    with pytest.raises(StoreRefused, match=r"the log of .* is damaged: .* or move history.duckdb.wal away"):
        recovered(tmp_path)


def test_a_crash_while_the_file_is_made_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "history.new").write_bytes(b"half of a file")
    assert recovered(tmp_path) == []


def test_a_file_that_another_process_has_is_refused_with_its_name(tmp_path: Path) -> None:
    with child("hold", tmp_path) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        with pytest.raises(StoreRefused, match=rf"in use by .*PID {holder.pid}.*; stop that process or"):
            recovered(tmp_path)
        holder.communicate()
    assert recovered(tmp_path) == []


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 9999)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        for at in range(20_000, path.stat().st_size, 40_000):
            file.seek(at)
            file.write(b"\xff" * 64)


@pytest.mark.parametrize("damage", [_garbage, _cut, _flip])
def test_a_damaged_file_is_refused_with_the_cure(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    async def write_some() -> None:
        store = open_store(tmp_path)
        await store.open()
        await store.write([numbered_batch(number) for number in range(1, 20)])
        await store.close()

    asyncio.run(write_some())
    damage(tmp_path / "history.duckdb")
    with pytest.raises(StoreRefused, match=r"history.duckdb is damaged: .*; restore it from a backup, or move it"):
        recovered(tmp_path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "history.duckdb")) as other:
        other.execute("CREATE TABLE cats (name VARCHAR)")
    with pytest.raises(StoreRefused, match="not a history of Rasad"):
        recovered(tmp_path)


def test_a_history_of_a_newer_rasad_is_refused(tmp_path: Path) -> None:
    assert recovered(tmp_path) == []
    with duckdb.connect(str(tmp_path / "history.duckdb")) as file:
        file.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreRefused, match="tables of version 99 and this Rasad reads version 1"):
        recovered(tmp_path)


@pytest.mark.parametrize("number", [3, 1])
def test_a_history_of_another_operational_database_is_refused(tmp_path: Path, number: int) -> None:
    async def mix() -> None:
        store: DuckDBStore = open_store(tmp_path)
        await store.open()
        try:
            await store.write([numbered_batch(one) for one in (1, 2, 3)])
            other = numbered_batch(77)
            other.number = number
            with pytest.raises(StoreRefused, match=f"batch {number} is in the history with other content"):
                await store.write([numbered_batch(4), other])
            assert await batches_in(store) == [1, 2, 3]
        finally:
            await store.close()

    asyncio.run(mix())


@pytest.mark.parametrize("room_mb", [6, 14], ids=["log", "checkpoint"])
def test_a_full_disk_leaves_nothing_half_written_and_heals_by_itself(tmp_path: Path, room_mb: int) -> None:
    ballast = f"head -c 4000000 /dev/zero > {tmp_path}/ballast"
    mount = f"mount -t tmpfs -o size={room_mb}m tmpfs {tmp_path} && {ballast}"
    script = f"{mount} && exec {' '.join(CHILD)} fill {tmp_path}"
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    ended = subprocess.run(
        [*namespace, "sh", "-c", script], cwd=PROJECT, text=True, capture_output=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    story = json.loads(ended.stdout)
    full_at = len(story["seen"][0])
    assert len(story["refusals"]) == 3 and all("no room to write" in text for text in story["refusals"])
    assert story["seen"][0] and all(seen == [*range(1, full_at + 1)] for seen in story["seen"])
    assert story["after"] == story["reopened"] == [*range(1, story["kept"] + 1)]
