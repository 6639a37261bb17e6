"""An export as parts of a file: over the API of a running process, else from the store directly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from api.export import WRITERS, ExportSeries, Format, export, only
from api.registry_view import kind_of
from api.times import EARLIEST_NS, LATEST_NS, time_ns
from processing.pilot import Pilot
from service import wiring
from service.data_lock import DataLock
from service.discovery import find_pilots
from service.running import api_client, api_of, running_on
from service.settings import Settings
from storage.operational_reader import OperationalReader
from storage.operational_view import OperationalView
from telemetry.errors import Mistake, RasadError, SettingsError
from telemetry.ports import Resolution, Store
from telemetry.registry import SeriesTable


@dataclass(frozen=True)
class Wanted:
    """What to export; times as the person wrote them."""

    pilot: str
    device: str | None
    metric: str | None
    begin: str | None
    end: str | None
    window: str | None
    form: Format

    def check(self) -> None:
        """ValueError says what is wrong."""
        if self.to_ns < self.from_ns:
            raise ValueError(f"--to {self.end} lies before --from {self.begin}; ranges are [from, to)")

    @property
    def from_ns(self) -> int:
        """Begin, ns."""
        return EARLIEST_NS if self.begin is None else time_ns(self.begin)

    @property
    def to_ns(self) -> int:
        """End, ns."""
        return LATEST_NS if self.end is None else time_ns(self.end)

    def resolution(self, pilot: Pilot) -> Resolution | None:
        """Resolution of the windows, None for readings; `SettingsError` when there is none."""
        base = pilot.head.base_window
        known: dict[str, Resolution] = {"10s": "base", base: "base", "1m": "1m", "1h": "1h"}
        if self.window is not None and self.window not in known:
            what = f"{self.window!r} is not known"
            raise SettingsError([Mistake("command line", 0, "--window", what, f"Choose from {base}, 1m, 1h")])
        return known[self.window] if self.window is not None else None


def parts(settings: Settings, data: Path, wanted: Wanted, say: Callable[[str], None]) -> Iterator[bytes]:
    """Give the file in parts."""
    api = api_of(data)
    if api is not None:
        with api_client(data, api) as client:
            yield from client.stream(
                "/export", pilot=wanted.pilot, device=wanted.device, metric=wanted.metric, window=wanted.window,
                format=wanted.form, **{"from": wanted.begin, "to": wanted.end},
            )  # fmt: skip
        return
    if settings.store.address is None:
        worker = running_on(data)
        if worker is not None:
            raise RasadError(f"process {worker.pid} has the DuckDB file of {data} and serves no API; stop it to export")
        with DataLock(data):
            yield from _from_store(settings, data, wanted, say)
    else:
        yield from _from_store(settings, data, wanted, say)


def _from_store(settings: Settings, data: Path, wanted: Wanted, say: Callable[[str], None]) -> Iterator[bytes]:
    [found] = find_pilots(settings.pilots.dirs, [wanted.pilot])
    pilot = found.pilot
    resolution = wanted.resolution(pilot)
    file = data / "operational.sqlite"
    pending = OperationalReader(file).ledger(pilot.id).pending
    if pending:
        say(f"{pending} readings are not in the store yet and not exported; `rasad up` or `ingest` brings them there")
    view = OperationalView(file)
    try:
        table = SeriesTable(view.series(), _refuse)
    finally:
        view.close()
    wanted_series = list(only(_series(table, pilot), wanted.device, wanted.metric))
    if not wanted_series:
        names = [wanted.pilot, wanted.device or "*", wanted.metric or "*"]
        say(f"nothing ever came of {'/'.join(names)}: the file holds the head alone")
    store = wiring.make_store(settings, table)
    with asyncio.Runner() as runner:
        runner.run(store.open())
        try:
            stream = export(
                store, wanted_series, resolution, wanted.from_ns, wanted.to_ns, WRITERS[wanted.form][0]()
            )  # fmt: skip
            while (part := runner.run(anext(stream, None))) is not None:
                yield part
        finally:
            runner.run(_close(store))


async def _close(store: Store) -> None:
    await store.close()


def _series(table: SeriesTable, pilot: Pilot) -> list[ExportSeries]:
    found = []
    for series, key in table.items():
        if key.pilot == pilot.id:
            kind = kind_of(pilot, key.device)
            metric = kind.metrics.get(key.metric) if kind else None
            found.append(ExportSeries(series, key, metric.unit if metric else ""))
    return sorted(found, key=lambda one: one.key)


def _refuse(keys: object) -> list[int]:
    raise RasadError(f"an export makes no series ({keys})")
