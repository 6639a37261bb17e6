"""A torn or damaged journal (P10): it starts without a hand's turn, counts what it can, and says what it cannot."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from ingest.message import pack
from storage.operational import Operational
from storage.wal_check import wal_damage
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.process import wait_until

GROUP = 20


@pytest.fixture
def journaled(tmp_path: Path) -> tuple[Path, Feed]:
    """The data of a process that was killed with 30 groups in its journal; nothing is settled."""
    feed = Feed(per_device=75)
    (tmp_path / "data").mkdir()
    (tmp_path / "alive").mkdir()
    database = Operational(tmp_path / "alive" / "operational.sqlite")
    database.open()
    now_ns = time.time_ns()
    for at in range(0, len(feed.messages), GROUP):
        group = [
            (topic, payload, False, now_ns + at + i)
            for i, (topic, payload) in enumerate(feed.messages[at : at + GROUP])
        ]
        database.append_group(pack(group), {"quay": GROUP})
    for file in (tmp_path / "alive").iterdir():
        shutil.copy(file, tmp_path / "data" / file.name)
    database.close()
    return tmp_path / "data", feed


def test_a_torn_tail_is_taken_up_to_the_tear(tmp_path: Path, journaled: tuple[Path, Feed], rasad: RasadProcess) -> None:
    data, feed = journaled
    wal = data / "operational.sqlite-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size - 3000)
    rasad.start()
    wait_until(lambda: ledger(rasad)["stored"] == feed.readings - 2 * GROUP, "all but the torn group")
    assert ledger(rasad)["balanced"]


def test_damage_inside_the_log_is_said(journaled: tuple[Path, Feed], rasad: RasadProcess) -> None:
    data, feed = journaled
    wal = data / "operational.sqlite-wal"
    content = bytearray(wal.read_bytes())
    content[len(content) * 6 // 10] ^= 0x10
    wal.write_bytes(content)
    damage = wal_damage(wal)
    assert damage is not None
    lost = damage.lost_commits
    assert 5 < lost < 25
    rasad.start()
    check = rasad.health()[1]["journal"]
    assert check["state"] == "warn"
    assert f"{lost} commits" in check["why"]
    assert "the journal is damaged" in rasad.log_text()
    wait_until(lambda: ledger(rasad)["stored"] >= feed.readings - 2 * GROUP * lost, "what could be read")
    assert ledger(rasad)["balanced"]


def test_a_damaged_group_is_counted_and_its_neighbours_are_stored(
    journaled: tuple[Path, Feed], rasad: RasadProcess
) -> None:
    data, feed = journaled
    with sqlite3.connect(data / "operational.sqlite") as database:
        number, blob = database.execute("SELECT seq, blob FROM journal ORDER BY seq LIMIT 1 OFFSET 7").fetchone()
        database.execute("UPDATE journal SET blob = ? WHERE seq = ?", (blob[:-9] + b"\0" * 9, number))
    database.close()
    rasad.start()
    wait_until(lambda: ledger(rasad)["stored"] == feed.readings - 2 * GROUP, "all but the damaged group")
    row = ledger(rasad)
    assert row["balanced"]
    assert row["received"] == row["stored"]
    everyone = rasad.api("/ledger")
    assert (everyone["quarantined"], everyone["pending"]) == (1, 0)
    assert "a journaled group is damaged" in rasad.log_text()


def test_a_whole_journal_is_taken_whole(journaled: tuple[Path, Feed], rasad: RasadProcess) -> None:
    data, feed = journaled
    assert wal_damage(data / "operational.sqlite-wal") is None
    rasad.start()
    assert_true(rasad, feed)
