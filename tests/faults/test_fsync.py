"""Durability at the level of system calls: kills at fsyncs, fsyncs that fail, and no PUBACK before its fsync."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.publisher import Publisher, publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.mosquitto import Broker
from tests.servers.process import wait_until

_SYNC = "fdatasync,fsync"


def strace(inject: str, *more: str) -> tuple[str, ...]:
    """Run below strace, which does `inject` at fsyncs; `when=K` counts them for each thread."""
    program = shutil.which("strace")
    assert program, "strace is not installed; run `make setup`"
    return (program, "-f", "-q", "-o", "/dev/null", "-e", f"trace={_SYNC}", "-e", f"inject={_SYNC}:{inject}", *more)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[list[RasadProcess]]:
    """Processes that a test makes; all are ended."""
    processes: list[RasadProcess] = []
    try:
        yield processes
    finally:
        for process in processes:
            process.stop()


def test_kill_at_fsyncs_of_the_first_start(tmp_path: Path, broker: Broker, made: list[RasadProcess]) -> None:
    points = (1, 8, 12, 31)
    for nth in points:
        folder = tmp_path / f"start-{nth}"
        folder.mkdir()
        made.append(RasadProcess(folder, broker.url, before=strace(f"signal=SIGKILL:when={nth}")))
        made[-1].start_unready()
    for doomed in made:
        doomed.wait_ended()
        doomed.without_strace()
        doomed.start_unready()
    for after in made:
        after.wait_ready()
        assert after.api("/ledger")["balanced"]


def test_kill_at_fsyncs_of_commits_loses_nothing(tmp_path: Path, broker: Broker, rasad: RasadProcess) -> None:
    rasad.start()
    rasad.stop()
    feeds = []
    for nth in (2, 7, 12, 19):
        doomed = RasadProcess(tmp_path, broker.url, before=strace(f"signal=SIGKILL:when={nth}"))
        doomed.start_unready()
        wait_until(lambda doomed=doomed: doomed.ended() or doomed.ready(), "readiness or the end")  # type: ignore[misc]
        feeds.append(Feed(per_device=60, ends_s_ago=15 + 60 * nth, seed=nth))
        publish(broker.port, feeds[-1].messages, rate=400)
        doomed.wait_ended()
    rasad.start()
    assert_true(rasad, *feeds)


def test_failing_fsyncs_stop_acknowledgements_and_lose_nothing(
    tmp_path: Path, broker: Broker, rasad: RasadProcess, made: list[RasadProcess]
) -> None:
    rasad.start()
    rasad.stop()
    feed = Feed(per_device=150)
    failing = RasadProcess(tmp_path, broker.url, before=strace("error=EIO:when=8+"))
    made.append(failing)
    failing.start()
    publisher = Publisher(broker.port, feed.messages, rate=400)
    publisher.start()
    wait_until(lambda: "I/O" in failing.health()[1]["journal"].get("why", ""), "readiness naming the error", 20)
    status, checks = failing.health()
    assert (status, checks["journal"]["state"]) == (503, "failed")
    publisher.finish()
    assert ledger(failing)["received"] < feed.readings
    failing.kill9()
    rasad.start()
    assert_true(rasad, feed)


def test_fsyncs_that_fail_for_a_while_need_no_restart(
    tmp_path: Path, broker: Broker, rasad: RasadProcess, made: list[RasadProcess]
) -> None:
    rasad.start()
    rasad.stop()
    feed = Feed(per_device=300)
    journal = tmp_path / "data" / "operational.sqlite-wal"
    flaky = RasadProcess(tmp_path, broker.url, before=strace("error=EIO:when=8..12", "-P", str(journal)))
    made.append(flaky)
    flaky.start()
    publish(broker.port, feed.messages, rate=600)
    assert_true(flaky, feed)
    assert "acknowledging stopped" in flaky.log_text()
    assert "acknowledging again" in flaky.log_text()


def test_no_puback_leaves_before_its_fsync(tmp_path: Path, broker: Broker) -> None:
    """Every PUBACK is written after the end of an fsync of the WAL that began after its PUBLISH was read."""
    trace = tmp_path / "trace.log"
    program = shutil.which("strace")
    assert program, "strace is not installed; run `make setup`"
    calls = "fdatasync,fsync,write,writev,sendto,sendmsg,read,recvfrom,recvmsg"
    before = (program, "-f", "-q", "-ttt", "-yy", "-xx", "-s", "4096", "-o", str(trace), "-e", f"trace={calls}")
    rasad = RasadProcess(tmp_path, broker.url, before=before)
    feed = Feed(per_device=40, devices=4)
    rasad.start()
    try:
        publish(broker.port, feed.messages, rate=200)
        assert_true(rasad, feed)
    finally:
        rasad.stop()
    published, acknowledged = _check_trace(trace.read_text(errors="replace").splitlines(), broker.port)
    assert acknowledged == published == len(feed.messages)


def _check_trace(lines: list[str], port: int) -> tuple[int, int]:
    state = _Trace(port)
    for line in lines:
        state.take(line)
    return state.published, state.acknowledged


#: how strace -xx writes the end of the path
_WAL = "".join(f"\\x{byte:02x}" for byte in b"operational.sqlite-wal") + ">"


class _Trace:
    """Follows one process: which packet ids were read, and up to which of them a WAL sync has been done."""

    def __init__(self, port: int) -> None:
        self._port = f"->127.0.0.1:{port}]"
        self._syncing: dict[str, set[int]] = {}
        self._open: dict[str, str] = {}
        self._unread = b""
        self._read: set[int] = set()
        self._synced: set[int] = set()
        self.published = self.acknowledged = 0

    def take(self, line: str) -> None:
        thread, _, rest = line.partition(" ")
        rest = rest.strip().partition(" ")[2]
        if rest.endswith("<unfinished ...>"):
            self._open[thread] = rest.removesuffix("<unfinished ...>").rstrip()
            self._begin(thread, rest)
            return
        if rest.startswith("<... "):
            rest = self._open.pop(thread, "") + rest.partition("resumed>")[2]
        else:
            self._begin(thread, rest)
        self._end(thread, rest)

    def _begin(self, thread: str, call: str) -> None:
        if call.startswith(("fdatasync(", "fsync(")) and _WAL in call:
            self._syncing[thread] = set(self._read)
        elif self._port in call[:80] and call.startswith(("write(", "writev(", "sendto(", "sendmsg(")):
            self._acknowledge(_bytes(call))

    def _end(self, thread: str, call: str) -> None:
        if call.startswith(("fdatasync(", "fsync(")) and _WAL in call:
            if call.endswith("= 0"):
                self._synced |= self._syncing.pop(thread)
        elif self._port in call[:80] and call.startswith(("read(", "recvfrom(", "recvmsg(")):
            self._publish(_bytes(call))

    def _publish(self, data: bytes) -> None:
        for first, body in self._packets(data):
            if first >> 4 == 3 and first & 6:
                at = 2 + int.from_bytes(body[:2], "big")
                packet_id = int.from_bytes(body[at : at + 2], "big")
                self._read.add(packet_id)
                self._synced.discard(packet_id)
                self.published += 1

    def _packets(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._unread += data
        while len(self._unread) >= 2:
            size, at, shift = 0, 1, 0
            while at < len(self._unread):
                size |= (self._unread[at] & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not self._unread[at - 1] & 0x80:
                    break
            if len(self._unread) < at + size:
                return
            yield self._unread[0], self._unread[at : at + size]
            self._unread = self._unread[at + size :]

    def _acknowledge(self, data: bytes) -> None:
        for at in range(len(data) - 3):
            if data[at : at + 2] == b"\x40\x02" and len(data) % 4 == 0 and at % 4 == 0:
                packet_id = int.from_bytes(data[at + 2 : at + 4], "big")
                assert packet_id in self._synced, f"PUBACK {packet_id} left before its fsync had returned"
                self._read.discard(packet_id)
                self._synced.discard(packet_id)
                self.acknowledged += 1


def _bytes(call: str) -> bytes:
    return b"".join(bytes.fromhex(part.replace("\\x", "")) for part in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', call))
