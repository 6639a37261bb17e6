"""Packets that break MQTT 5: taken apart as far as they go, acknowledged where they can be, and never the end."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import frames
from ingest.message import Message
from ingest.session import MqttSession, SessionSettings
from telemetry.clock import ReceiveClock
from tests.faults.publisher import frame, text

_GOOD = b'{"level": 1}'
_CONNACK, _SUBACK = bytes([0x20, 3, 0, 0, 0]), bytes([0x90, 6, 0, 1, 0, 1, 1, 1])
MUTANTS = 40
#: where a topic is no UTF-8 the codec panics and leaves its own error behind; the session goes on
_PANICS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def publish_packet(topic: bytes, packet_id: int, payload: bytes = _GOOD, properties: bytes = b"\x00") -> bytes:
    """A PUBLISH at QoS 1."""
    return frame(0x32, text(topic) + packet_id.to_bytes(2, "big") + properties + payload)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 255))
def test_bad_publish_takes_any_bytes(data: bytes, first: int) -> None:
    packet = memoryview(bytes([first]) + data)
    found = frames.bad_publish(packet)
    if found is not None:
        assert 2 <= found.size <= len(packet)
        assert found.topic.startswith("!")
        assert found.packet_id is None or 0 <= found.packet_id < 65536
        found.topic.encode()


@given(st.lists(st.integers(1, 65535), max_size=50))
def test_pubacks_are_four_bytes_each_in_order(packet_ids: list[int]) -> None:
    written = frames.pubacks(packet_ids)
    assert [int.from_bytes(written[at + 2 : at + 4], "big") for at in range(0, len(written), 4)] == packet_ids
    assert written[::4] == b"\x40" * len(packet_ids)


class BadBroker:
    """Speaks just enough MQTT 5 to be connected to, then sends `mutants`, each followed by a good message."""

    def __init__(self, mutants: list[bytes]) -> None:
        self.mutants = mutants
        self.acknowledged: set[int] = set()
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: until all is sent, or the other side has had enough."""
        # a length that was made larger swallows the good message: then this side gives up, as a keep-alive would
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            await self._packet(reader)
            writer.write(_CONNACK)
            await self._packet(reader)
            writer.write(_SUBACK)
            while self.mutants:
                number = 1000 + len(self.mutants)
                mutant = self.mutants.pop()
                writer.write(mutant + publish_packet(b"city/v1/quay/good/telemetry", number))
                while number not in self.acknowledged:
                    packet = await asyncio.wait_for(self._packet(reader), 0.4)
                    if packet[0] == 0x40:
                        self.acknowledged.add(int.from_bytes(packet[2:4], "big"))
            self.done.set()
        writer.close()

    @staticmethod
    async def _packet(reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(2)
        assert head[1] < 128
        return head + await reader.readexactly(head[1])


async def run_against(mutants: list[bytes], within_s: float = 40.0) -> tuple[list[Message], MqttSession, BadBroker]:
    """Let a session meet a broker that sends these; every message is acknowledged at once."""
    broker, taken = BadBroker(mutants), list[Message]()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def take(connection: object, messages: list[Message], packet_ids: list[int]) -> None:
        taken.extend(messages)
        connection.acknowledge(packet_ids)  # type: ignore[attr-defined]

    session = MqttSession(SessionSettings(port=port, connect_timeout_s=2.0), take, ReceiveClock())
    running = asyncio.create_task(session.run())
    try:
        async with asyncio.timeout(within_s):
            await broker.done.wait()
        assert not running.done()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        server.close()
    return taken, session, broker


@_PANICS
async def test_publishes_that_the_codec_refuses_are_kept_and_acknowledged() -> None:
    bad = [
        publish_packet(b"\xff\xfe", 7), publish_packet(b"city/v1/quay/g1/telemetry", 8, properties=b"\x03\xff\xff\xff"),
        publish_packet(b"", 9), publish_packet(b"\xed\xa0\x80", 10),
    ]  # fmt: skip
    taken, session, broker = await run_against(list(bad))
    assert {7, 8, 9, 10} <= broker.acknowledged
    assert session.counters.bad_packets == len(bad)
    assert session.counters.connects == 1
    assert sum(topic.startswith("!") for topic, *_ in taken) == len(bad)
    assert sum(topic == "city/v1/quay/good/telemetry" for topic, *_ in taken) == len(bad)


@_PANICS
async def test_a_refused_publish_may_come_in_pieces() -> None:
    whole = publish_packet(b"\xff\xfe", 7, payload=b"x" * 100_000)
    taken, session, broker = await run_against([whole])
    assert 7 in broker.acknowledged
    assert session.counters.connects == 1
    assert len(taken) == 2


async def test_an_acknowledgement_for_a_connection_that_is_gone_is_dropped_and_counted() -> None:
    first, second, held = asyncio.Event(), asyncio.Event(), list[tuple[object, list[int]]]()
    broker = BadBroker([])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker._packet(reader)
        writer.write(_CONNACK)
        await broker._packet(reader)
        writer.write(_SUBACK + publish_packet(b"city/v1/quay/g1/telemetry", 7))
        if first.is_set():
            second.set()
        else:
            await first.wait()
            writer.transport.abort()

    def take(connection: object, messages: list[Message], packet_ids: list[int]) -> None:
        held.append((connection, packet_ids))
        first.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    session = MqttSession(SessionSettings(port=server.sockets[0].getsockname()[1]), take, ReceiveClock())
    running = asyncio.create_task(session.run())
    async with asyncio.timeout(20):
        await second.wait()
    connection, packet_ids = held[0]
    connection.acknowledge(packet_ids)  # type: ignore[attr-defined]
    assert session.counters.stale_acks == 1
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    server.close()


@_PANICS
async def test_random_damage_to_packets_never_ends_the_session() -> None:
    draw, mutants = random.Random(4), list[bytes]()
    for number in range(MUTANTS):
        packet = bytearray(
            publish_packet(b"city/v1/quay/g1/telemetry", number + 1, properties=b"\x07\x23\x00\x01\x09\x00\x01x")
        )
        for _ in range(draw.randint(1, 3)):
            packet[draw.randrange(len(packet))] = draw.randrange(256)
        mutants.append(bytes(packet))
    _, session, broker = await run_against(mutants)
    assert not broker.mutants
    assert session.counters.connects >= 1
