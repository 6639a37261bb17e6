"""The MQTT 5 session on the hot path: a persistent session whose acknowledgements are given by hand.

`MqttSession` keeps one connection up; `_Connection` is the asyncio protocol of one of them. Every acknowledgement is
bound to the connection that brought the message: packet ids are used again after a reconnect, so one that comes too
late is dropped and counted (the broker delivers the message again).
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import mqtt5
import structlog

from ingest import frames
from ingest.message import Message
from ingest.topics import FILTERS
from telemetry.clock import ReceiveClock

log = structlog.get_logger("ingest.session")

#: larger packets are not even delivered; up to here they are counted as rejected
MAX_PACKET_BYTES: Final = 4 * 2**20
#: after this many messages in one read, the next read waits, so that one wake-up serves many messages
_BUSY_MESSAGES: Final = 8
_BUSY_PAUSE_S: Final = 0.008


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How to reach the broker. `receive_maximum` bounds what it may send without acknowledgement."""

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "rasad"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    keep_alive_s: int = 30
    session_expiry_s: int = 7 * 86400
    receive_maximum: int = 32_768
    share_group: str | None = None
    backoff_cap_s: float = 15.0
    connect_timeout_s: float = 10.0


@dataclass(slots=True)
class SessionCounters:
    """What happened on the wire since the process began."""

    messages: int = 0
    connects: int = 0
    stale_acks: int = 0
    bad_packets: int = 0
    last_error: str = ""
    connected: bool = False


Sink = Callable[["_Connection", list[Message], list[int]], None]


class MqttSession:
    """Keeps the session up for ever: connect, subscribe, deliver, reconnect with capped and jittered back-off.

    `sink(connection, messages, packet_ids)` is called from the event loop with what one read brought; who takes it
    calls `connection.acknowledge(packet_ids)` once the messages are on disk.
    """

    def __init__(self, settings: SessionSettings, sink: Sink, clock: ReceiveClock) -> None:
        self.settings = settings
        self.sink = sink
        self.clock = clock
        self.counters = SessionCounters()
        self.plain = frames.PlainPublishes()
        self._connection: _Connection | None = None
        self._paused = False
        self._leaving = False

    async def run(self) -> None:
        """Run until cancelled or disconnected."""
        failures = 0
        while not self._leaving:
            connects = self.counters.connects
            try:
                await self._connect_and_stay()
            except (OSError, TimeoutError) as error:
                if self._leaving:
                    return
                # a link that comes and goes is tried at once each time; only a broker that stays away is left alone
                failures = failures + 1 if self.counters.connects == connects else 1
                self.counters.last_error = str(error) or type(error).__name__
                log.warning("broker away", error=self.counters.last_error, attempt=failures)
            cap = min(self.settings.backoff_cap_s, 0.2 * 2 ** min(failures, 12))
            await asyncio.sleep(random.uniform(0.1, max(cap, 0.2)))

    async def _connect_and_stay(self) -> None:
        loop, settings = asyncio.get_running_loop(), self.settings
        async with asyncio.timeout(settings.connect_timeout_s):
            _, connection = await loop.create_connection(
                lambda: _Connection(self), settings.host, settings.port, ssl=settings.tls
            )
            try:
                await connection.subscribed
            except BaseException:
                connection.abort("no answer to CONNECT or SUBSCRIBE in time")
                raise
        self._connection = connection
        self.counters.connects += 1
        self.counters.connected = True
        if self._paused:
            connection.pause()
        log.info("connected", broker=f"{settings.host}:{settings.port}", resumed=connection.resumed)
        try:
            await connection.closed
        finally:
            self.counters.connected = False
            self._connection = None
            connection.abort("stopped")

    def pause(self) -> None:
        """Take nothing more off the wire for now."""
        self._paused = True
        if self._connection:
            self._connection.pause()

    def resume(self) -> None:
        """Go on reading."""
        self._paused = False
        if self._connection:
            self._connection.resume()

    async def disconnect(self) -> None:
        """Say goodbye for good; the broker keeps the session and queues for it."""
        self._leaving = True
        if self._connection:
            self._connection.goodbye()


class _Connection(asyncio.Protocol):
    """One TCP connection: bytes to packets, keep-alive, acknowledgements."""

    def __init__(self, session: MqttSession) -> None:
        loop = asyncio.get_running_loop()
        self._session = session
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._heard = self._spoke = loop.time()
        self._paused = self._resting = False
        self.resumed = False
        self.subscribed: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._alive: asyncio.TimerHandle | None = None

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        s = self._session.settings
        self._send(
            mqtt5.ConnectPacket(
                s.client_id,
                username=s.username,
                password=s.password.encode() if s.password is not None else None,
                clean_start=False,
                keep_alive=s.keep_alive_s,
                session_expiry_interval=s.session_expiry_s,
                receive_max=s.receive_maximum,
                max_packet_size=MAX_PACKET_BYTES,
            ).write()
        )
        self._alive = self._loop.call_later(s.keep_alive_s / 3, self._keep_alive)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._rest:
            data = self._rest + data
        view, end, at = memoryview(data), len(data), 0
        messages: list[Message] = []
        packet_ids: list[int] = []
        plain, first_ns = self._session.plain, self._session.clock.stamps(0)
        while at < end:
            at = plain.take(data, at, first_ns + 1_000 * len(messages), messages, packet_ids)
            if at == end:
                break
            try:
                packet, size = mqtt5.read(view[at:])
            except IndexError:
                break
            except BaseException as error:  # noqa: BLE001  the codec panics on some malformed packets, which is no Exception
                size = self._skip_bad_packet(view[at:], error, messages, packet_ids)
                if not size:
                    return
                at += size
                continue
            at += size
            if isinstance(packet, mqtt5.PublishPacket):
                messages.append((packet.topic, packet.payload, packet.retain, first_ns + 1_000 * len(messages)))
                plain.learn(packet.topic)
                if packet.packet_id is not None:
                    packet_ids.append(packet.packet_id)
            else:
                self._on_control(packet)
        self._rest = data[at:] if at < end else b""
        if messages:
            self._deliver(messages, packet_ids)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._alive:
            self._alive.cancel()
        error = ConnectionError(str(exc) if exc else "the broker closed the connection")
        for future in (self.subscribed, self.closed):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits sees it; nobody else must

    # --- ours

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Acknowledge messages of this connection, in their order; too late, they are counted and dropped."""
        if self._transport is None or self._transport.is_closing():
            self._session.counters.stale_acks += len(packet_ids)
            return
        self._send(frames.pubacks(packet_ids))

    def pause(self) -> None:
        """Stop reading (the keep-alive goes on)."""
        self._paused = True
        if self._transport and not self._resting:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._heard = self._loop.time()  # what was said meanwhile is still to be read
        self._paused = False
        if self._transport and not self._resting and not self._transport.is_closing():
            self._transport.resume_reading()

    def goodbye(self) -> None:
        """Send DISCONNECT and close."""
        if self._transport and not self._transport.is_closing():
            self._send(mqtt5.DisconnectPacket().write())
            self._transport.close()

    def abort(self, why: str) -> None:
        """Close at once."""
        if self._transport and not self._transport.is_closing():
            self._session.counters.last_error = why
            self._transport.abort()

    def _send(self, data: bytes) -> None:
        if self._transport:
            self._spoke = self._loop.time()
            self._transport.write(data)

    def _deliver(self, messages: list[Message], packet_ids: list[int]) -> None:
        session, count = self._session, len(messages)
        session.clock.stamps(count)
        session.counters.messages += count
        session.sink(self, messages, packet_ids)
        if count >= _BUSY_MESSAGES and not self._paused and self._transport and not self._transport.is_closing():
            self._resting = True
            self._transport.pause_reading()
            self._loop.call_later(_BUSY_PAUSE_S, self._wake)

    def _wake(self) -> None:
        self._resting = False
        if not self._paused and self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def _skip_bad_packet(
        self, view: memoryview, error: BaseException, messages: list[Message], packet_ids: list[int]
    ) -> int:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        self._session.counters.bad_packets += 1
        frame = frames.bad_publish(view)
        if frame is None:
            self.abort(f"the broker sent bytes that are no MQTT 5: {error}")
            return 0
        messages.append((frame.topic, frame.payload, False, self._session.clock.stamps(0)))
        if frame.packet_id is not None:
            packet_ids.append(frame.packet_id)
        return frame.size

    def _on_control(self, packet: object) -> None:
        if isinstance(packet, mqtt5.ConnAckPacket):
            self._on_connack(packet)
        elif isinstance(packet, mqtt5.SubAckPacket):
            refused = [code.name for code in packet.reason_codes if code.value >= 128]
            if refused:
                self.abort(f"the broker refused the subscription ({refused[0]}); check its access list")
            elif not self.subscribed.done():
                self.subscribed.set_result(None)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self.abort(f"the broker disconnected us: {packet.reason_code.name}")

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code.value >= 128:
            self.abort(f"the broker refused the connection: {packet.reason_code.name}")
            return
        self.resumed = packet.session_present
        group = self._session.settings.share_group
        filters = [
            mqtt5.TopicFilter(
                f"$share/{group}/{topic}" if group else topic,
                max_qos=mqtt5.QoS.AT_LEAST_ONCE,
                retain_as_published=True,
                retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
            )
            for topic in FILTERS
        ]
        self._send(mqtt5.SubscribePacket(1, filters).write())

    def _keep_alive(self) -> None:
        now, limit = self._loop.time(), self._session.settings.keep_alive_s
        if not self._paused and now - self._heard > 1.5 * limit:
            self.abort(f"nothing heard from the broker for {now - self._heard:.0f} s")
            return
        if now - min(self._heard, self._spoke) >= limit / 2:
            self._send(mqtt5.PingReqPacket().write())
        self._alive = self._loop.call_later(limit / 3, self._keep_alive)
