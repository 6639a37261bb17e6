"""Files of history to groups of messages: in this process, or in one beside it where there is much to read."""

from __future__ import annotations

import asyncio
import gc
import math
import multiprocessing
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from service.history.lines import Asked, Bad, Raw, Sample, Skipped, WrongFile
from service.history.opened import Form, HistoryFile, form_of
from service.history.packing import Packer
from service.history.times import NoZone
from telemetry.errors import RasadError

#: payload of messages that are journaled together
_GROUP_BYTES: Final = 4 << 20
_SHOWN: Final = 5
#: from here on a reader beside us is worth its start: reading costs about as much as all that follows
_MUCH_BYTES: Final = 16 << 20


@dataclass
class Reading:
    """How far the files have been read, and what could not be read. `bad` has the first few lines."""

    files: list[Path]
    asked: Asked
    forms: list[Form]
    on_progress: Callable[[int], None] = lambda _: None
    lines: int = 0
    bad_lines: int = 0
    bad: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    earliest_ms: float = math.inf

    @classmethod
    def of(cls, files: list[Path], asked: Asked, form: str | None) -> Reading:
        """Begin; `WrongFile` when a file's form is not known."""
        return cls(files, asked, [form_of(file, form) for file in files])

    def groups(self) -> Iterator[list[Raw]]:
        """Read all files into groups of messages of about `_GROUP_BYTES`; `WrongFile` when a file is no such one."""
        group: list[Raw] = []
        size = read_before = 0
        for file, form in zip(self.files, self.forms, strict=True):
            with HistoryFile(file, form, self.asked) as history:
                for message in self._messages(history):
                    group.append(message)
                    size += len(message.payload)
                    if size > _GROUP_BYTES:
                        self.on_progress(read_before + history.bytes_read)
                        yield group
                        group, size = [], 0
                read_before += history.size
        if group:
            yield group
        self.on_progress(read_before)

    def _messages(self, history: HistoryFile) -> Iterator[Raw]:
        packer = Packer()
        for number, item in enumerate(history, 1):
            if type(item) is Sample:
                try:
                    packer.add(item)
                except ValueError as error:
                    self._note_bad(history.file, f"item {number}", str(error))
            elif type(item) is Raw:
                packer.add_raw(item)
            elif type(item) is Bad:
                self._note_bad(history.file, str(item.line) if item.line else "end", item.why)
            elif type(item) is Skipped:
                self.skipped[item.what] += 1
            self.lines += 1
            if packer.ready:
                yield from packer.ready
                packer.ready = []
        packer.flush()
        self.earliest_ms = min(self.earliest_ms, packer.earliest_ms)
        yield from packer.ready

    def _note_bad(self, file: Path, place: str, why: str) -> None:
        self.bad_lines += 1
        if len(self.bad) < _SHOWN:
            self.bad.append(f"{file}:{place}: {why}")


async def read_beside(reading: Reading) -> AsyncIterator[list[Raw]]:
    """Give `reading.groups()`, read by another process where the files are large; the event loop is never held up."""
    if sum(file.stat().st_size for file in reading.files) < _MUCH_BYTES:
        for group in reading.groups():
            yield group
            await asyncio.sleep(0)
        return
    ours, theirs = multiprocessing.Pipe(duplex=False)
    beside = multiprocessing.get_context("spawn").Process(
        target=_read_all, args=(theirs, reading.files, reading.asked, reading.forms), daemon=True
    )
    beside.start()
    theirs.close()
    try:
        while True:
            try:
                what, content = await asyncio.to_thread(ours.recv)
            except EOFError:
                raise RasadError("the reader of the files has died; everything before is taken, try again") from None
            if what == "group":
                yield content
            elif what == "progress":
                reading.on_progress(content)
            elif what == "wrong":
                raise content
            else:
                reading.__dict__.update(content)
                return
    finally:
        ours.close()
        beside.join(5)
        beside.kill()


def _read_all(connection: Connection, files: list[Path], asked: Asked, forms: list[Form]) -> None:
    gc.set_threshold(100_000, 50, 100)
    reading = Reading(files, asked, forms, on_progress=lambda done: connection.send(("progress", done)))
    try:
        for group in reading.groups():
            connection.send(("group", group))
    except (WrongFile, NoZone) as error:
        connection.send(("wrong", error))
        return
    except BrokenPipeError:
        return  # whoever asked is gone
    found: dict[str, Any] = {k: v for k, v in reading.__dict__.items() if k != "on_progress"}
    connection.send(("end", found))
