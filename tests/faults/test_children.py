"""Children of `rasad up` never outlive it, and SIGTERM under load is quick and clean."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.publisher import Publisher
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true
from tests.servers.mosquitto import Broker
from tests.servers.process import wait_until


def children(pid: int) -> dict[int, str]:
    """Children of a process: pid and command line."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child): Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in found}


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_children_are_gone_two_seconds_after_kill_nine(tmp_path: Path) -> None:
    rasad = RasadProcess(tmp_path, None, "--simulate")
    rasad.start()
    try:
        wait_until(lambda: len(children(rasad.pid)) == 2, "broker and simulators as children")
        family = children(rasad.pid)
        assert any("mosquitto" in command for command in family.values())
        assert any("simulate" in command for command in family.values())
    finally:
        rasad.kill9()
    wait_until(lambda: not any(map(alive, family)), f"the end of {family}", 2.0)


def test_sigterm_under_load_exits_cleanly_within_ten_seconds(broker: Broker, rasad: RasadProcess) -> None:
    feed = Feed(per_device=1000)
    rasad.start()
    publisher = Publisher(broker.port, feed.messages, rate=2000)
    publisher.start()
    wait_until(lambda: publisher.sent > 2000, "load")
    assert rasad.process is not None
    rasad.process.terminate()
    began = time.monotonic()
    assert rasad.wait_ended(10.0) == 0
    assert time.monotonic() - began < 10
    publisher.finish()
    rasad.start()
    assert_true(rasad, feed)


def test_a_second_up_on_the_same_data_is_refused(tmp_path: Path, broker: Broker, rasad: RasadProcess) -> None:
    rasad.start()
    second = RasadProcess(tmp_path, broker.url)
    second.start_unready()
    assert second.wait_ended() == 2
    assert "in use by process" in second.log_text()
