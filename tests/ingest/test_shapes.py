"""Every shape of a telemetry message that the contract names, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ingest.quay import NOW_NS, TOPIC, decode, make_registry, message, outcome, readings_of

GOOD: dict[str, float | None] = {"level": 1.5, "flow": 2.0}
_LONG = b"9" * 5000

SHAPES: list[tuple[str, bytes, dict[str, float | None], dict[str, int]]] = [
    ("full", b'{"ts": 1800000000000, "values": {"level": 1.5, "flow": 2}, "seq": 17}', GOOD, {}),
    ("bare", b'{"level": 1.5, "flow": 2}', GOOD, {}),
    ("without ts", b'{"values": {"level": 1.5, "flow": 2}}', GOOD, {}),
    ("ts null", b'{"ts": null, "values": {"level": 1.5, "flow": 2}}', GOOD, {}),
    ("array", b'[{"ts": 1800000000000, "values": {"level": 1.5}}, {"values": {"flow": 2}}]', GOOD, {}),
    ("array of bare", b'[{"level": 1.5}, {"flow": 2}]', GOOD, {}),
    ("more members", b'{"values": {"level": 1.5, "flow": 2}, "fw": {"v": [1]}}', GOOD, {}),
    ("white space", b' \r\n\t{"level": 1.5, "flow": 2} \n', GOOD, {}),
    ("empty object", b"{}", {}, {}),
    ("empty values", b'{"values": {}}', {}, {}),
    ("empty array", b"[]", {}, {}),
    ("same key twice", b'{"level": 9, "level": 1.5, "flow": 2}', GOOD, {}),
    ("null", b'{"level": null}', {"level": None}, {}),
    ("booleans", b'{"level": true, "flow": false}', {"level": 1.0, "flow": 0.0}, {}),
    ("negative zero", b'{"level": -0.0}', {"level": 0.0}, {}),
    ("smallest", b'{"level": 5e-324}', {"level": 5e-324}, {}),
    ("largest", b'{"level": 1.7976931348623157e308}', {"level": 1.7976931348623157e308}, {}),
    ("integer above 2**64", b'{"level": 36893488147419103232}', {"level": 2.0**65}, {}),
    ("1e400", b'{"level": 1e400, "flow": 2}', {"flow": 2.0}, {"bad_value": 1}),
    ("-1e400", b'{"level": -1e400, "flow": 2}', {"flow": 2.0}, {"bad_value": 1}),
    ("400 digits", b'{"level": 1' + b"0" * 400 + b', "flow": 2}', {"flow": 2.0}, {"bad_value": 1}),
    ("5,000 digits", b'{"level": ' + _LONG + b', "flow": 2}', {"flow": 2.0}, {"bad_value": 1}),
    ("NaN", b'{"level": NaN, "flow": 2}', {"flow": 2.0}, {"bad_value": 1}),
    ("Infinity", b'{"level": Infinity, "flow": -Infinity}', {}, {"bad_value": 2}),
    ("text value", b'{"level": "1.5", "flow": 2}', {"flow": 2.0}, {"bad_value": 1}),
    ("object value", b'{"values": {"level": {"v": 1}, "flow": 2}}', {"flow": 2.0}, {"bad_value": 1}),
    ("array value", b'{"values": {"level": [1], "flow": 2}}', {"flow": 2.0}, {"bad_value": 1}),
    ("unknown metric", b'{"level": 1.5, "depth": 3}', {"level": 1.5}, {"unknown_metric": 1}),
    ("bad metric name", '{"level": 1.5, "Größe \u202e": 3, "": 4}'.encode(), {"level": 1.5}, {"unknown_metric": 2}),
    ("lone surrogate", b'{"level": 1.5, "\\ud800": 3}', {"level": 1.5}, {"unknown_metric": 1}),
    ("one bad of three", b'[{"level": 1.5}, 7, {"flow": 2}]', GOOD, {"bad_shape": 1}),
    ("array in array", b"[[1]]", {}, {"bad_shape": 1}),
    ("number", b"5", {}, {"bad_shape": 1}),
    ("text", b'"level"', {}, {"bad_shape": 1}),
    ("null alone", b"null", {}, {"bad_shape": 1}),
    ("values no object", b'{"values": [1, 2]}', {}, {"bad_shape": 1}),
    ("ts alone", b'{"ts": 1800000000000}', {}, {"bad_shape": 1}),
    ("seq beside bare", b'{"seq": 1, "level": 2}', {}, {"bad_shape": 1}),
    ("nothing", b"", {}, {"undecodable": 1}),
    ("no JSON", b"level=1.5", {}, {"undecodable": 1}),
    ("cut short", b'{"values": {"level": 1.', {}, {"undecodable": 1}),
    ("two documents", b'{"level": 1}{"level": 2}', {}, {"undecodable": 1}),
    ("UTF-16", '{"level": 1}'.encode("utf-16"), {}, {"undecodable": 1}),
    ("invalid UTF-8", b'{"level": 1, "\xff\xfe": 2}', {}, {"undecodable": 1}),
    ("BOM", b'\xef\xbb\xbf{"level": 1}', {}, {"undecodable": 1}),
    ("NUL bytes", b"\0" * 100, {}, {"undecodable": 1}),
    ("50,000 brackets", b"[" * 50_000, {}, {"undecodable": 1}),
    ("50,000 closed brackets", b"[" * 50_000 + b"]" * 50_000, {}, {"undecodable": 1}),
    ("50,000 deep values", b'{"level":' * 20_000 + b"1" + b"}" * 20_000, {}, {"undecodable": 1}),
    ("unknown and bad", b'{"depth": "x", "level": 1.5}', {"level": 1.5}, {"bad_value": 1}),
]


@pytest.mark.parametrize(("payload", "values", "reasons"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES])
def test_shape(payload: bytes, values: dict[str, float | None], reasons: dict[str, int]) -> None:
    assert outcome(payload) == (values, reasons)


TIMES: list[tuple[str, str, int | None, str]] = [
    ("ms", "1799999999123", 1_799_999_999_123_000_000, ""),
    ("ms with a fraction", "1799999999123.456", 1_799_999_999_123_456_000, ""),
    ("float ms", "1.799999999e12", 1_799_999_999_000_000_000, ""),
    ("RFC 3339 Z", '"2027-01-15T08:00:00Z"', 1_800_000_000_000_000_000, ""),
    ("RFC 3339 with offset", '"2027-01-15T12:00:00.250+04:00"', 1_800_000_000_250_000_000, ""),
    ("RFC 3339 with µs", '"2027-01-15T08:00:00.000001Z"', 1_800_000_000_000_001_000, ""),
    ("without offset", '"2027-01-15T08:00:00"', None, "bad_time"),
    ("a date", '"2027-01-15"', None, "bad_time"),
    ("no such day", '"2027-02-30T08:00:00Z"', None, "bad_time"),
    ("a number as text", '"1800000000000"', None, "bad_time"),
    ("a surrogate", '"\\ud800"', None, "bad_time"),
    ("true", "true", None, "bad_time"),
    ("an array", "[1800000000000]", None, "bad_time"),
    ("1e400", "1e400", None, "bad_time"),
    ("NaN", "NaN", None, "bad_time"),
    ("1e308", "1e308", None, "future"),
    ("-1e308", "-1e308", None, "too_old"),
    ("400 digits", "1" + "0" * 400, None, "future"),
    ("5,000 digits", "9" * 5000, None, "bad_time"),
    ("µs", "1800000000000000", None, "future"),
    ("ns", "1800000000000000000", None, "future"),
    ("negative", "-1", None, "too_old"),
    ("before 1970", '"1969-12-31T23:59:59Z"', None, "too_old"),
]


@pytest.mark.parametrize(("ts", "time_ns", "reason"), [t[1:] for t in TIMES], ids=[t[0] for t in TIMES])
@pytest.mark.parametrize(
    "form", ['{"ts": %s, "values": {"level": 1, "flow": 2}}', '[{"ts": %s, "values": {"level": 1, "flow": 2}}]']
)
def test_time_stamp(form: str, ts: str, time_ns: int | None, reason: str) -> None:
    decoded, _ = decode(message((form % ts).encode()))
    if time_ns is not None:
        assert decoded.time_ns.tolist() == [time_ns]
        assert len(decoded.value) == 2
    else:
        assert not len(decoded.value)
        assert [(str(a.reason), a.readings) for a in decoded.asides] == [(reason, 2)]


def test_seconds_are_read_as_ms_and_left_to_admission() -> None:
    decoded, _ = decode(message(b'{"ts": 1800000000, "values": {"level": 1}}'))
    assert decoded.time_ns.tolist() == [1_800_000_000_000_000]


def test_without_ts_the_receive_time_counts() -> None:
    decoded, _ = decode(message(b'{"level": 1}', received_ns=NOW_NS + 77))
    assert decoded.time_ns.tolist() == [NOW_NS + 77]


@pytest.mark.parametrize("seq", ["-1", "1.5", '"7"', "true", "null", "1" + "0" * 30, "9" * 5000, "[]"])
def test_an_odd_seq_costs_no_reading(seq: str) -> None:
    assert outcome(f'{{"values": {{"level": 1}}, "seq": {seq}}}'.encode()) == ({"level": 1.0}, {})


def test_ten_thousand_objects_are_taken_and_one_more_is_not() -> None:
    objects: list[dict[str, Any]] = [{"level": i % 9} for i in range(10_001)]
    decoded, _ = decode(message(objects[:-1]))
    assert len(decoded.series) == 10_000
    for more in (objects, [*objects[:-1], {"level": "x"}]):
        assert outcome(json.dumps(more).encode()) == ({}, {"too_many_readings": 1})


def test_a_quarter_of_a_mebibyte_is_taken_and_one_byte_more_is_not() -> None:
    body = b'{"level": 1}'
    assert outcome(body + b" " * (262_144 - len(body))) == ({"level": 1.0}, {})
    assert outcome(body + b" " * (262_145 - len(body))) == ({}, {"too_large": 1})


@pytest.mark.parametrize(
    "payload", [b'{"ts": 1799999999000, "values": {"level": 1, "flow": 2}}', b'[{"level": 1, "flow": 2}]']
)
def test_retained_messages_need_their_own_time(payload: bytes) -> None:
    values, reasons = outcome(payload, retain=True)
    expected: Any = ({"level": 1.0, "flow": 2.0}, {}) if b"ts" in payload else ({}, {"retained_without_time": 2})
    assert (values, reasons) == expected


def test_a_known_topic_stays_strict_about_retained_messages() -> None:
    decoded, _ = decode(message({"level": 1}), message({"level": 2}, retain=True))
    assert decoded.value.tolist() == [1.0]
    assert [str(aside.reason) for aside in decoded.asides] == ["retained_without_time"]


def test_what_is_set_aside_can_be_sent_again_as_it_stands() -> None:
    decoded, _ = decode(message(b'{"ts": 5, "values": {"depth": 3.25, "level": "x"}, "seq": 4}'))
    again = [json.loads(aside.payload) for aside in decoded.asides]
    assert again == [{"ts": 5, "values": {"level": "x"}}, {"ts": 5, "values": {"depth": 3.25}}]


TOPICS = [
    "city/v1/quay/g1", "city/v1/quay/g1/telemetry/x", "city/v2/quay/g1/telemetry", "City/v1/quay/g1/telemetry",
    "city/v1/quay//telemetry", "city/v1//g1/telemetry", "city/v1/quay/g1/telemetry/", "/city/v1/quay/g1/telemetry",
    "city/v1/quay/_g1/telemetry", "city/v1/_alarm/g1/telemetry", "city/v1/quay/g1/cmd", "city/v1/quay/g 1/telemetry",
    "city/v1/quay/../telemetry/telemetry/x", "city/v1/../../etc/telemetry/x", "city/v1/quay/a,b=c/telemetry",
    "city/v1/quay/g1\u202e/telemetry", "city/v1/quay/g\u200b1/telemetry", "city/v1/quay/g1\n/telemetry",
    "city/v1/quay/g1\u0000/telemetry", "city/v1/quay/" + "g" * 65 + "/telemetry", "x" * 65_535, "", "$SYS/broker/load",
    "city/v1/quay/ｇ１/telemetry", "city/v1/quay/مقياس/telemetry", "damaged-journal-group",
]  # fmt: skip


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_outside_the_rules_are_set_aside(topic: str) -> None:
    decoded, _ = decode(message({"level": 1}, topic=topic))
    assert not len(decoded.series)
    assert [(str(a.reason), a.pilot) for a in decoded.asides] == [("bad_topic", "_unknown")]


def test_packets_that_the_codec_refused_have_a_reason_of_their_own() -> None:
    decoded, _ = decode(message(b"\xff", topic="!\\xff"))
    assert [str(aside.reason) for aside in decoded.asides] == ["bad_packet"]


@pytest.mark.parametrize(
    ("topic", "pilot"), [("city/v1/quay/g3/telemetry", "quay"), ("city/v1/../g1/telemetry", "_unknown")]
)
def test_unknown_devices_are_counted_in_readings(topic: str, pilot: str) -> None:
    decoded, _ = decode(message([{"level": 1, "flow": 2}, {"level": 3}], topic=topic))
    assert [(str(a.reason), a.pilot, a.readings) for a in decoded.asides] == [("unknown_device", pilot, 3)]
    assert decoded.received == {pilot: 3}


def test_a_pilot_that_accepts_the_unregistered_takes_new_devices_and_metrics() -> None:
    decoded, registry = decode(message({"depth": 1, "Bad": 2}, topic="city/v1/open/new-one/telemetry"))
    assert readings_of(decoded, registry) == [("new-one", "depth", 1.0)]
    assert [str(aside.reason) for aside in decoded.asides] == ["too_many_series"]


def test_a_new_metric_does_not_move_what_came_before_it_in_the_group() -> None:
    topic = "city/v1/open/o2/telemetry"
    group = [
        message(p, topic=topic) for p in ({"level": 1, "flow": 2}, {"depth": 3, "flow": 4}, {"level": 5, "flow": 6})
    ]
    decoded, registry = decode(*group)
    assert readings_of(decoded, registry) == [
        ("o2", "level", 1.0), ("o2", "flow", 2.0), ("o2", "depth", 3.0), ("o2", "flow", 4.0), ("o2", "level", 5.0),
        ("o2", "flow", 6.0),
    ]  # fmt: skip


def test_unregistered_series_are_bounded() -> None:
    registry = make_registry(max_unregistered_series=3)
    group = [message({f"m{i}": i}, topic=f"city/v1/open/d{i}/telemetry") for i in range(6)]
    decoded, _ = decode(*group, registry=registry)
    assert len(decoded.series) == 3
    assert sum(aside.readings for aside in decoded.asides) == 3


EVENTS: list[tuple[bytes, str]] = [
    (b'{"id": "e1", "ts": 1800000000000, "type": "anpr"}', ""), (b"{}", ""), (b'{"ts": 1}', ""),
    (b'{"ts": 1' + b"0" * 400 + b"}", "future"), (b'{"ts": true}', "bad_time"), (b"[]", "undecodable"),
    (b"5", "undecodable"), (b"\xff", "undecodable"), (b"[" * 50_000, "undecodable"), (b"", "undecodable"),
    (b'{"id": "\\ud800"}', "undecodable"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "reason"), EVENTS)
def test_events(payload: bytes, reason: str) -> None:
    decoded, _ = decode(message(payload, topic="city/v1/quay/g1/event"))
    assert [str(aside.reason) for aside in decoded.asides] == ([reason] if reason else [])
    assert len(decoded.happenings) == (not reason)
    assert decoded.received == {"quay": 1}


@pytest.mark.parametrize("given", ["a\nb", "a\u0000", "back\\", "\u2028", "x" * 129, ""])
def test_event_ids_that_a_store_cannot_carry_are_replaced(given: str) -> None:
    decoded, _ = decode(message({"id": given, "ts": 5}, topic="city/v1/quay/g1/event"))
    key = decoded.happenings[0].key
    assert key != given
    assert key.isalnum()


@pytest.mark.parametrize(
    ("payload", "good"), [(b"online", 1), (b'"offline"', 1), (b" online\n", 1), (b"up", 0), (b"\xff", 0), (b"", 0)]
)
def test_statuses(payload: bytes, good: int) -> None:
    decoded, _ = decode(message(payload, topic="city/v1/quay/g1/status", retain=True))
    assert len(decoded.happenings) == good
    assert [str(aside.reason) for aside in decoded.asides] == ["bad_status"] * (1 - good)


def test_a_topic_of_another_channel_is_not_telemetry() -> None:
    decoded, _ = decode(message({"level": 1}, topic=TOPIC.replace("telemetry", "event")))
    assert not len(decoded.series)
    assert len(decoded.happenings) == 1
