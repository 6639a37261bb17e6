"""`rasad backfill`: history from files, through the same engine as live readings."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    PilotsDirOption,
    PilotsOption,
    StoreOption,
    failed,
    print_json,
    say,
    settings_of,
    wrong_usage_ends,
)
from service.logs import configure

if TYPE_CHECKING:
    from service.backfill import Outcome
    from service.backfill_reading import Reading
    from service.settings import Settings


def backfill(
    files: Annotated[
        list[Path], typer.Argument(help="Files, gzipped or not.", exists=True, dir_okay=False, readable=True)
    ],
    form: Annotated[str | None, typer.Option("--format", help="json, csv or line; by the ending if not given.")] = None,
    pilot: Annotated[str | None, typer.Option(help="Pilot of lines that name none.")] = None,
    device: Annotated[str | None, typer.Option(help="Device of lines that name none.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric of a column `value` without one.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of times without zone and offset.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Exit 0 although lines could not be read.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
    pilots_dir: PilotsDirOption = None,
    pilots: PilotsOption = None,
    store: StoreOption = None,
) -> None:
    """Take history (JSON lines, CSV, line protocol) into journal, ledger, windows and store."""
    settings = settings_of(
        config,
        data,
        pilots={"dirs": pilots_dir or None, "only": pilots},
        store={"url": store},
        log={"level": "warning"},
    )
    configure(settings.log)
    # what lives long is made in millions and freed by reference counts
    gc.set_threshold(100_000, 50, 100)
    with wrong_usage_ends():
        from service.backfill_reading import Reading
        from service.history.lines import Asked, WrongFile
        from service.history.times import NoZone, Times

        asked = Asked(_known(settings, pilot), device, metric, Times(_zone(timezone)))
        reading = Reading.of(files, asked, form)
    with wrong_usage_ends(), _progress(reading):
        try:
            outcome = _run(settings, reading, dry_run)
        except NoZone as error:
            raise WrongFile(str(error)) from None
    report = _report(settings, reading, outcome, dry_run)
    print_json(report) if as_json else print(_for_people(report))
    for line in reading.bad:
        say(f"unreadable: {line}")
    if reading.bad_lines and not skip_bad:
        raise failed(
            f"{reading.bad_lines} lines could not be read, all others were taken; mend them, or say --skip-bad"
        )
    if outcome.pending > 0:
        raise failed(
            f"{outcome.pending} readings are not in the store yet; they are kept, start `rasad up` or `ingest`"
        )


def _run(settings: Settings, reading: Reading, dry: bool) -> Outcome:
    import uvloop

    from service import endpoints
    from service.backfill import dry_run, through_broker, through_worker
    from service.data_lock import DataLock, holder_of

    if dry:
        return dry_run(settings, reading)
    data = settings.service.data
    if holder_of(data) is None:
        with DataLock(data):
            return uvloop.run(through_worker(settings, reading))
    running = endpoints.read(data, "up")
    if running is None:
        DataLock(data)  # says who holds it
        raise failed(f"{data} was let go this moment; try again")
    say(f"process {running.pid} runs on {data}: sending to its broker {running.mqtt}")
    return through_broker(settings, reading, running.mqtt, say)


def _known(settings: Settings, pilot: str | None) -> str | None:
    from service.discovery import find_pilots

    find_pilots(settings.pilots.dirs, settings.pilots.only if pilot is None else [pilot])
    return pilot


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name is not None else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"--timezone {name!r} is no IANA zone; write one like Asia/Muscat or America/Chicago"
        ) from None


@contextmanager
def _progress(reading: Reading) -> Iterator[None]:
    """Show how far the files have been read, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    total = sum(file.stat().st_size for file in reading.files)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("backfill", total=total)
        reading.on_progress = lambda done: progress.update(task, completed=done)
        yield


def _report(settings: Settings, reading: Reading, outcome: Outcome, dry: bool) -> dict[str, Any]:
    times = reading.asked.times
    notes = list(outcome.notes)
    if times.repeated:
        notes.append(
            f"{times.repeated} times lie in an hour that the clock repeats ({', '.join(sorted(times.odd_hours))}); "
            "each was taken as the first of the two, so the second hour shows as duplicates and conflicts"
        )
    if times.skipped:
        notes.append(f"{times.skipped} times lie in an hour that the clock leaves out; they were shifted by its step")
    kept_ns = settings.retention.ns("readings")
    if kept_ns is not None and reading.earliest_ms < time.time() * 1000 - kept_ns / 1e6:
        notes.append(
            f"retention.readings is {settings.retention.readings}: what is older will be forgotten by the store; "
            "raise it, or say forever, to keep it"
        )
    notes += [f"{count} lines left out: {what}" for what, count in reading.skipped.items()]
    return {
        "dry_run": dry, "through": outcome.how, "lines": reading.lines, "bad_lines": reading.bad_lines,
        "messages": outcome.messages, "read": outcome.read, "stored": outcome.stored, "duplicate": outcome.duplicate,
        "quarantined": outcome.quarantined, "rejected": outcome.rejected, "pending": outcome.pending,
        "from": _iso(outcome.from_ns), "to": _iso(outcome.to_ns), "seconds": round(outcome.seconds, 3),
        "rows_per_s": round(outcome.read / max(outcome.seconds, 1e-3)), "notes": notes,
    }  # fmt: skip


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _for_people(report: dict[str, Any]) -> str:
    would = "would be " if report["dry_run"] else ""
    rows: list[tuple[str, Any]] = [("readings read", report["read"]), (f"{would}stored", report["stored"]),
                                   (f"{would}duplicate", report["duplicate"])]  # fmt: skip
    for outcome in ("quarantined", "rejected"):
        rows += [(f"{would}{outcome} ({reason})", n) for reason, n in sorted(report[outcome].items())]
    rows += [("pending", report["pending"])] if report["pending"] else []
    rows += [("unreadable lines", report["bad_lines"])] if report["bad_lines"] else []
    lines = [f"{count:>14,}  {what}" for what, count in rows]
    if report["from"]:
        lines.append(f"from {report['from']} to {report['to']}")
    lines.append(f"{report['seconds']:.1f} s, {report['rows_per_s']:,} readings a second, through: {report['through']}")
    return "\n".join([*lines, *report["notes"]])
