"""The short cut off the wire takes what the codec would take, and nothing else."""

import mqtt5
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.frames import PlainPublishes
from ingest.message import Message

TOPICS = ["city/v1/a/b/telemetry", "city/v1/a/ü/event", "x"]

packets = st.one_of(
    st.builds(
        lambda topic, payload, packet_id, retain, duplicate, expiry: mqtt5.PublishPacket(
            topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id, retain=retain, duplicate=duplicate,
            message_expiry_interval=expiry,
        ).write(),
        st.sampled_from([*TOPICS, "never/seen"]), st.binary(max_size=300), st.integers(1, 65535), st.booleans(),
        st.booleans(), st.sampled_from([None, None, None, 60]),
    ),
    st.builds(lambda payload: mqtt5.PublishPacket("x", payload).write(), st.binary(max_size=5)),
    st.just(mqtt5.PingRespPacket().write()),
)  # fmt: skip


def by_the_codec(data: bytes) -> tuple[list[Message], list[int]]:
    messages, packet_ids, at = list[Message](), list[int](), 0
    while at < len(data):
        try:
            packet, size = mqtt5.read(memoryview(data)[at:])
        except IndexError:
            break
        at += size
        if isinstance(packet, mqtt5.PublishPacket):
            messages.append((packet.topic, packet.payload, packet.retain, 1_000 * len(messages)))
            if packet.packet_id is not None:
                packet_ids.append(packet.packet_id)
    return messages, packet_ids


def by_the_short_cut(data: bytes) -> tuple[list[Message], list[int]]:
    plain = PlainPublishes()
    for topic in TOPICS:
        plain.learn(topic)
    messages, packet_ids, at = list[Message](), list[int](), 0
    while at < len(data):
        at = plain.take(data, at, 1_000 * len(messages), messages, packet_ids)
        if at == len(data):
            break
        try:
            packet, size = mqtt5.read(memoryview(data)[at:])
        except IndexError:
            break
        at += size
        if isinstance(packet, mqtt5.PublishPacket):
            messages.append((packet.topic, packet.payload, packet.retain, 1_000 * len(messages)))
            if packet.packet_id is not None:
                packet_ids.append(packet.packet_id)
    return messages, packet_ids


@settings(max_examples=300, deadline=None)
@given(st.lists(packets, max_size=12), st.integers(0, 40))
def test_the_same_messages_as_the_codec(wire: list[bytes], cut: int) -> None:
    data = b"".join(wire)
    data = data[: max(len(data) - cut, 0)]
    assert by_the_short_cut(data) == by_the_codec(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_it_never_reads_past_the_end(data: bytes) -> None:
    plain, messages, packet_ids = PlainPublishes(), list[Message](), list[int]()
    for topic in ("", "x"):
        plain.learn(topic)
    at = plain.take(b"\x32" + data, 0, 0, messages, packet_ids)
    assert 0 <= at <= len(data) + 1
    assert len(messages) == len(packet_ids)


def test_what_is_plain_is_taken_without_the_codec() -> None:
    plain, messages, packet_ids = PlainPublishes(), list[Message](), list[int]()
    plain.learn("x")
    wire = b"".join(
        mqtt5.PublishPacket("x", b"p" * n, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=n + 1).write() for n in (0, 1, 200)
    )
    assert plain.take(wire, 0, 0, messages, packet_ids) == len(wire)
    assert packet_ids == [1, 2, 201]
