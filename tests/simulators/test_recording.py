"""Recordings: what goes in comes out, byte for byte where JSON has no say, in meaning where it has."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.broker import broker_address
from simulators.message import Message
from simulators.pace import Pace
from simulators.recording import BadRecording, Recording, line_of, message_of

TOPIC = "city/v1/muttrah/aq-souq/telemetry"


@pytest.mark.parametrize(
    "payload",
    [
        b"online", b"", b'"quoted"', b"\xff\x00\x80", b'{"ts":1,"values":{"pm25":12.4}', b"NaN", b'{"pm25":1e400}',
        b'{"a":1,"a":2}', b"[" * 50_000, b'"\\ud800"', b'{"x":"\\ud800"}', "غبار".encode(), b"\x00",
    ],
)  # fmt: skip
def test_what_is_no_plain_json_comes_back_byte_for_byte(payload: bytes) -> None:
    assert message_of(line_of(Message(TOPIC, payload, 5))).payload == payload


@pytest.mark.parametrize("payload", [b'{"ts": 1.50, "values": {"a": true, "b": null}}', b"[1, 2]", b"12", b"null"])
def test_json_comes_back_as_the_same_value(payload: bytes) -> None:
    back = message_of(line_of(Message(TOPIC, payload, 5))).payload
    assert json.loads(back) == json.loads(payload)
    assert message_of(line_of(Message(TOPIC, back, 5))).payload == back


@given(st.binary(max_size=200))
def test_any_bytes_survive(payload: bytes) -> None:
    line = line_of(Message(TOPIC, payload, 5, retain=True))
    assert line.count(b"\n") == 1
    back = message_of(line)
    assert (back.topic, back.at_ms, back.retain) == (TOPIC, 5, True)
    assert back.payload == payload or json.loads(back.payload) == json.loads(payload)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_VALUES)
def test_any_json_value_survives(value: object) -> None:
    payload = json.dumps(value).encode()
    assert json.loads(message_of(line_of(Message(TOPIC, payload, 5))).payload) == value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"topic": "a"', "line 2 is no JSON object"),
        (b"[1]", "line 2 is no JSON object"),
        (b'{"topic": "a/#", "payload": 1, "at_ms": 1}', 'line 2 has no usable "topic"'),
        (b'{"topic": "a", "payload": 1, "at_ms": "now"}', 'line 2 has no usable "at_ms"'),
        (b'{"topic": "a", "at_ms": 1}', 'line 2 has no "payload"'),
        (b'{"topic": "a", "payload": "!", "encoding": "base64", "at_ms": 1}', "line 2 has a payload that is no base64"),
        (b'{"topic": "a", "payload": 1, "encoding": "rot13", "at_ms": 1}', 'line 2 has an "encoding" other than'),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, line: bytes, said: str) -> None:
    file = tmp_path / "feed.jsonl"
    file.write_bytes(line_of(Message(TOPIC, b"{}", 1)) + line + b"\n")
    with Recording(file) as recording, pytest.raises(BadRecording) as error:
        list(recording)
    assert said in str(error.value)
    assert f"{file}:2" in str(error.value)


def test_gzip_is_known_by_its_bytes_and_damage_is_said(tmp_path: Path) -> None:
    lines = b"".join(line_of(Message(TOPIC, b'{"pm25":%d}' % i, i)) for i in range(1000))
    whole, torn = tmp_path / "feed.anything", tmp_path / "torn.gz"
    whole.write_bytes(gzip.compress(lines))
    torn.write_bytes(gzip.compress(lines)[:-40])
    with Recording(whole) as recording:
        assert [m.at_ms for m in recording] == list(range(1000))
        assert recording.bytes_read == recording.size
    with Recording(torn) as recording, pytest.raises(BadRecording, match="cannot be unpacked"):
        list(recording)


def test_pace_catches_up_and_then_keeps_to_the_clock() -> None:
    pace = Pace(start_ms=0, wall_ms=600_000, speed=7)
    assert pace.due_ms(350_000) == 650_000
    assert pace.due_ms(700_000) == 700_000
    assert pace.due_ms(900_000) == 900_000
    assert Pace(start_ms=900_000, wall_ms=600_000, speed=10).due_ms(910_000) == 601_000


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a", "is no address of a broker"),
        ("mqtt://", "is no address of a broker"),
        ("mqtt://a:99999", "no usable port"),
        ("mqtt://a/b", "something after the port"),
    ],
)
def test_wrong_broker_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        broker_address(url)


def test_passwords_come_from_url_or_file_and_never_show(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n", encoding="utf-8")
    from_file = broker_address("mqtt://sim@broker", secret)
    from_url = broker_address("mqtts://sim:p%40ss@broker:8884")
    assert (from_file.username, from_file.password) == ("sim", "s3cret")
    assert (from_url.password, from_url.port, from_url.tls) == ("p@ss", 8884, True)
    assert "s3cret" not in f"{from_file} {from_file!r}"
    with pytest.raises(ValueError) as error:
        broker_address("mqtt://sim:s3cret@broker:port")
    assert "s3cret" not in str(error.value)
