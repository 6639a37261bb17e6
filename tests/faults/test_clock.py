"""Clock steps (libfaketime): an hour and ten years ahead, a day back: no stall, no crash, nothing lost."""

from __future__ import annotations

from pathlib import Path

from tests.faults.publisher import publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.mosquitto import Broker
from tests.servers.process import wait_until


def preload() -> str:
    """Where libfaketime is."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is not installed; run `make setup`"
    return str(found[0])


def test_clock_steps_stall_nothing_and_lose_nothing(tmp_path: Path, broker: Broker) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    environment = {
        "LD_PRELOAD": preload(), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    rasad = RasadProcess(tmp_path, broker.url, environment=environment)
    feeds, sent, untimed = list[Feed](), 0, 0
    try:
        rasad.start()
        for number, step in enumerate(("+0", "+1h", "+0", "-1d", "+0", "+3650d", "+0")):
            offset.write_text(step)
            feed = Feed(per_device=40, devices=2, first_device=2 * number, seed=number)
            bare = [("city/v1/quay/g19/telemetry", b'{"level": %d}' % i) for i in range(20)]
            publish(broker.port, [*feed.messages, *bare], rate=400)
            sent, untimed = sent + feed.readings + 20, untimed + 20
            wait_until(lambda: settled(rasad, sent), f"all taken after {step}", 20)  # noqa: B023
            if step in ("+0", "+1h"):
                feeds.append(feed)
        rasad.kill9()
        rasad.start()
        row = ledger(rasad)
        assert row["stored"] == sum(feed.readings for feed in feeds) + untimed, row
        assert row["quarantined"] == sent - row["stored"], row
        assert set(row["by_reason"]["quarantined"]) == {"future", "too_old"}, row
        _add_untimed(rasad, feeds, untimed)
        assert_true(rasad, *feeds)
    finally:
        rasad.stop()


def settled(rasad: RasadProcess, sent: int) -> bool:
    """Everything that was sent has become something."""
    row = ledger(rasad)
    return bool(row["received"] == sent and row["pending"] == 0 and row["balanced"])


def _add_untimed(rasad: RasadProcess, feeds: list[Feed], untimed: int) -> None:
    got = rasad.api("/readings", pilot="quay", device="g19", metric="level", from_=0, to=4_000_000_000_000)
    assert len(got["value"]) == untimed
    feeds[0].expected["g19", "level"] = dict(zip(got["time_ms"], got["value"], strict=True))
