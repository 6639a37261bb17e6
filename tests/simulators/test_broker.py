"""Over a real broker: statuses, Wills, restarts, refusals, and a recording that replays as it was."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from simulators.message import Message
from simulators.recording import Recording, line_of
from tests.servers.mosquitto import mosquitto
from tests.servers.process import free_port, wait_until
from tests.simulators.feeds import HARBOUR, shipped
from tests.simulators.listener import Listener, listening
from tests.simulators.verbs import run_verb, running_verb


@pytest.fixture
def harbour_dir(tmp_path: Path) -> Path:
    """A folder of pilots with one that is only a file."""
    (tmp_path / "pilots" / "harbour").mkdir(parents=True)
    (tmp_path / "pilots" / "harbour" / "signals.toml").write_text(HARBOUR, encoding="utf-8")
    return tmp_path / "pilots"


def test_devices_say_online_and_their_wills_say_offline_on_kill() -> None:
    with (
        mosquitto() as broker,
        listening(broker.port) as seen,
        running_verb("simulate", "muttrah", "--mqtt", broker.url, "--seed", "3") as simulator,
    ):
        everyone = set(shipped("muttrah").devices)
        online = dict.fromkeys(everyone, b"online")
        seen.wait(lambda: seen.statuses() == online, "every device online")
        seen.wait(lambda: {m.topic.split("/")[3] for m in seen.of("telemetry")} == everyone, "first reports")
        assert all(message.retain and message.qos == 1 for message in seen.of("status"))
        age_s = [time.time() - json.loads(m.payload)["ts"] / 1000 for m in seen.of("telemetry")]
        assert -1 < min(age_s) <= max(age_s) < 20
        simulator.send_signal(signal.SIGKILL)
        seen.wait(lambda: seen.statuses() == dict.fromkeys(everyone, b"offline"), "every Will")


def test_sigterm_ends_within_two_seconds_and_says_offline() -> None:
    with mosquitto() as broker, listening(broker.port) as seen:
        with running_verb("simulate", "truck_gates", "--mqtt", broker.url) as simulator:
            seen.wait(lambda: len(seen.of("telemetry")) >= 13, "telemetry")
            asked = time.monotonic()
            simulator.send_signal(signal.SIGTERM)
            out, err = simulator.communicate(timeout=10)
            assert time.monotonic() - asked < 2.0
            assert simulator.returncode == 0, out + err
            assert "messages sent" in err
        devices = shipped("truck_gates").devices
        seen.wait(lambda: seen.statuses() == dict.fromkeys(devices, b"offline"), "every device offline")


def test_sigterm_ends_within_two_seconds_while_no_broker_is_there() -> None:
    with running_verb("simulate", "muttrah", "--mqtt", f"mqtt://127.0.0.1:{free_port()}") as simulator:
        assert simulator.stderr is not None
        assert "cannot be reached; trying again" in simulator.stderr.readline()
        asked = time.monotonic()
        simulator.send_signal(signal.SIGTERM)
        simulator.communicate(timeout=10)
        assert time.monotonic() - asked < 2.0
        assert simulator.returncode == 0


def test_a_broker_restart_loses_no_message_and_keeps_the_order(harbour_dir: Path) -> None:
    words = ["--duration", "60m", "--speed", "600", "--seed", "4", "--pilots-dir", str(harbour_dir)]
    with mosquitto() as broker, listening(broker.port) as seen:
        with running_verb("simulate", "harbour", "--mqtt", broker.url, *words) as simulator:
            seen.wait(lambda: len(seen.of("telemetry")) > 60, "telemetry")
            broker.restart()
            _, err = simulator.communicate(timeout=60)
            assert simulator.returncode == 0, err
            sent = int(err.split(" messages sent, ")[0].rsplit(None, 1)[-1])
            assert 420 <= sent <= 426
            assert f"{sent} messages sent, {sent} acknowledged" in err
        # The listener has no session, so it misses what came before it was back; from then on what the simulator
        # counts as acknowledged must be numbered without a gap.
        seen.wait(lambda: _numbers(seen)[-1] >= 360, "the last message")
        numbers = _numbers(seen)
        assert len(set(numbers)) > 150
        assert numbers[-100:] == list(range(numbers[-100], numbers[-100] + 100))


def _numbers(seen: Listener) -> list[int]:
    """`seq` of every message of one device, in the order of arrival."""
    return [json.loads(m.payload)["seq"] for m in seen.of("telemetry") if "/speed_6005/" in m.topic]


def test_a_wrong_password_ends_with_the_cure(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "sim", "right"], check=True)
    passwords.chmod(0o644)
    secret = tmp_path / "secret"
    secret.write_text("right\n", encoding="utf-8")
    with mosquitto(allow_anonymous=False, password_file=str(passwords)) as broker:
        wrong = run_verb("simulate", "muttrah", "--mqtt", f"mqtt://sim:wrong@127.0.0.1:{broker.port}")
        assert wrong.returncode == 1
        assert "--password-file" in wrong.stderr
        assert "wrong" not in wrong.stderr
        url = f"mqtt://sim@127.0.0.1:{broker.port}"
        right = run_verb(
            "simulate", "muttrah", "--mqtt", url, "--password-file", str(secret), "--duration", "5m", "--speed", "0"
        )
        assert right.returncode == 0, right.stderr
        assert run_verb("record", "--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--duration", "1s").returncode == 1


def test_record_and_replay_bring_back_what_was_sent(tmp_path: Path) -> None:
    original, copy = tmp_path / "original.jsonl", tmp_path / "copy.jsonl"
    made = run_verb(
        "simulate",
        "all",
        "--duration",
        "20m",
        "--start",
        "2026-03-01T08:00:00Z",
        "--faults",
        "all",
        "--out",
        str(original),
    )
    assert made.returncode == 0, made.stderr
    with mosquitto() as broker:
        with running_verb("record", "--out", str(copy), "--mqtt", broker.url) as recorder:
            wait_until(lambda: b"record-" in broker.log.read_bytes(), "recorder connected")
            wait_until(lambda: _subscriptions(broker.url), "recorder subscribed")
            played = run_verb("replay", str(original), "--speed", "0", "--mqtt", broker.url)
            assert played.returncode == 0, played.stderr
            wanted = list(Recording(original))
            wait_until(lambda: copy.stat().st_size >= original.stat().st_size - 100, "recording written")
            recorder.send_signal(signal.SIGINT)
            _, err = recorder.communicate(timeout=10)
            assert recorder.returncode == 0
        got = [m for m in Recording(copy) if "/probe/" not in m.topic]
    assert f"{len(wanted)} messages sent, {len(wanted)} acknowledged" in played.stderr
    assert [(m.topic, m.payload, m.retain) for m in got] == [(m.topic, m.payload, m.retain) for m in wanted]
    assert "messages recorded" in err


def _subscriptions(url: str) -> bool:
    port = url.rsplit(":", 1)[1]
    topic = "$SYS/broker/subscriptions/count"
    got = subprocess.run(
        ["mosquitto_sub", "-p", port, "-t", topic, "-C", "1", "-W", "5"], capture_output=True, text=True, check=False
    )
    return got.stdout.strip().isdigit() and int(got.stdout) >= 1


def test_replay_keeps_the_recorded_spacing_times_its_speed(tmp_path: Path) -> None:
    file = tmp_path / "feed.jsonl"
    file.write_bytes(b"".join(line_of(Message("city/v1/a/b/telemetry", b'{"x":%d}' % i, 1000 * i)) for i in range(11)))
    with mosquitto() as broker:
        began = time.monotonic()
        played = run_verb("replay", str(file), "--speed", "5", "--mqtt", broker.url)
        took_s = time.monotonic() - began
    assert played.returncode == 0, played.stderr
    assert 2.0 <= took_s < 10.0


def test_replay_names_the_bad_line_and_what_was_sent(tmp_path: Path) -> None:
    file = tmp_path / "feed.jsonl"
    good = line_of(Message("city/v1/a/b/telemetry", b"{}", 1))
    file.write_bytes(good * 3 + b"{oops\n" + good)
    with mosquitto() as broker:
        played = run_verb("replay", str(file), "--speed", "0", "--mqtt", broker.url)
    assert played.returncode == 1
    assert f"{file}:4: line 4 is no JSON object" in played.stderr
    assert "the 3 messages before it were sent" in played.stderr


def test_load_reaches_the_broker_at_its_rate(harbour_dir: Path) -> None:
    with mosquitto() as broker, listening(broker.port) as seen:
        words = ["--rate", "500", "--duration", "2s", "--devices", "20", "--pilots-dir", str(harbour_dir)]
        done = run_verb("simulate", "harbour", "--mqtt", broker.url, *words)
        assert done.returncode == 0, done.stderr
        assert "1000 messages sent, 1000 acknowledged" in done.stderr
        seen.wait(lambda: len(seen.of("telemetry")) == 1000, "every message")
        assert len({m.topic for m in seen.of("telemetry")}) == 20
        assert seen.of("status") == []


def test_a_past_feed_catches_up_with_now_and_never_overtakes_it(harbour_dir: Path) -> None:
    with mosquitto() as broker, listening(broker.port) as seen:
        words = ["--speed", "3000", "--start", str(int(time.time() * 1000) - 3 * 3_600_000)]
        with running_verb("simulate", "harbour", "--mqtt", broker.url, "--pilots-dir", str(harbour_dir), *words):
            ages_s: list[float] = []

            def caught_up() -> bool:
                if not seen.of("telemetry"):
                    return False
                ages_s.append(time.time() - json.loads(seen.of("telemetry")[-1].payload)["ts"] / 1000)
                return ages_s[-1] < 15

            seen.wait(caught_up, "feed at now", 60)
            assert max(ages_s) > 600, "it began in the past"
            assert min(ages_s) > -1.0, "nothing is sent before its time"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["simulate", "nowhere"], "no pilot of that id"),
        (["simulate", "muttrah", "--faults", "gremlin"], "unknown fault gremlin"),
        (["simulate", "muttrah", "--start", "yesterday"], "is no instant"),
        (["simulate", "muttrah", "--duration", "soon"], "is no duration"),
        (["simulate", "muttrah", "--mqtt", "tcp://a"], "is no address of a broker"),
        (["simulate", "muttrah", "--out", "x"], "--out needs a --duration"),
        (["simulate", "muttrah", "--rate", "0"], "a rate of 0"),
        (["record", "--mqtt", "mqtt://a:b:c"], "is no address|no usable port"),
        (["replay", "/nonexistent.jsonl"], "does not exist"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_cure(words: list[str], said: str) -> None:
    done = run_verb(*words)
    assert done.returncode == 2, done.stderr
    assert re.search(said, " ".join(done.stderr.split())), done.stderr
