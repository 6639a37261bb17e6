"""Group commit: many messages, one fsync, then their acknowledgements, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from ingest.message import Message, pack
from telemetry.errors import DiskFull

log = structlog.get_logger("ingest.group_commit")

#: a group is closed when nothing has come for one step, and after this many steps at the latest
STEPS = 5
#: after a group of so many messages the next one waits its full delay in one piece: under load, wake-ups are the cost
BUSY_MESSAGES = 64
#: a group of so many bytes is closed at once; twice as many waiting, and nothing more is read
FULL_BYTES = 2 * 2**20


class Acknowledging(Protocol):
    """The connection that brought a message."""

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Acknowledge, or drop when the connection is gone."""


Append = Callable[[bytes, dict[str, int]], Awaitable[int]]
OnJournaled = Callable[[int, list[Message]], None]


async def _always_room() -> None:
    return


class GroupCommit:
    """Collects messages, journals them together, acknowledges, and passes them on.

    `room()` returns when more may be taken. `append(blob, messages by pilot)` returns the group's number once it is
    on disk, or raises `DiskFull`.
    While the disk is full nothing is acknowledged and `blocked` says why; it goes on by itself.
    """

    def __init__(
        self,
        append: Append,
        on_journaled: OnJournaled,
        count_pilots: Callable[[list[Message]], dict[str, int]],
        max_delay_ms: float = 25.0,
        on_pressure: Callable[[bool], None] = lambda _full: None,
        room: Callable[[], Awaitable[None]] = _always_room,
    ) -> None:
        self._append = append
        self._on_journaled = on_journaled
        self._count_pilots = count_pilots
        self._step_s = max_delay_ms / 1000 / STEPS
        self._on_pressure = on_pressure
        self._room = room
        self._last = 0
        self._messages: list[Message] = []
        self._acks: list[tuple[Acknowledging, list[int]]] = []
        self._bytes = 0
        self._arrived = asyncio.Event()
        self.busy = False
        self.blocked = ""

    def take(self, connection: Acknowledging, messages: list[Message], packet_ids: list[int]) -> None:
        """Take what one read brought."""
        self._messages.extend(messages)
        self._acks.append((connection, packet_ids))
        self._bytes += sum([len(m[1]) for m in messages])
        if self._bytes > 2 * FULL_BYTES:
            self._on_pressure(True)
        self._arrived.set()

    async def run(self) -> None:
        """Run until cancelled; a group under way is finished first."""
        while True:
            await self._arrived.wait()
            await self._room()
            await self._gather()
            self.busy = True
            try:
                await self._commit()
            finally:
                self.busy = False

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is under way."""
        return not self._messages and not self.busy

    async def _gather(self) -> None:
        if self._last >= BUSY_MESSAGES and self._bytes < FULL_BYTES:
            await asyncio.sleep(STEPS * self._step_s)
            return
        # a broker that sends only a few messages ahead of the acknowledgements must not wait for a full delay
        for _ in range(STEPS):
            before = len(self._messages)
            if self._bytes >= FULL_BYTES:
                return
            await asyncio.sleep(self._step_s)
            if len(self._messages) == before:
                return

    async def _commit(self) -> None:
        messages, acks = self._messages, self._acks
        self._messages, self._acks, self._bytes = [], [], 0
        self._arrived.clear()
        self._last = len(messages)
        number = await self._journal(pack(messages), self._count_pilots(messages))
        for connection, packet_ids in _joined(acks):
            connection.acknowledge(packet_ids)
        self._on_journaled(number, messages)

    async def _journal(self, blob: bytes, pilots: dict[str, int]) -> int:
        while True:
            try:
                number = await self._append(blob, pilots)
            except DiskFull as error:
                if not self.blocked:
                    log.error("acknowledging stopped", why=str(error))  # noqa: TRY400  the text says it all
                self.blocked = str(error)
                self._on_pressure(True)
                await asyncio.sleep(1.0)
                continue
            if self.blocked:
                log.info("acknowledging again")
                self.blocked = ""
            self._on_pressure(False)
            return number


def _joined(acks: list[tuple[Acknowledging, list[int]]]) -> list[tuple[Acknowledging, list[int]]]:
    joined: list[tuple[Acknowledging, list[int]]] = []
    for connection, packet_ids in acks:
        if joined and joined[-1][0] is connection:
            joined[-1][1].extend(packet_ids)
        else:
            joined.append((connection, list(packet_ids)))
    return joined
