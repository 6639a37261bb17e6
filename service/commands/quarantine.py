"""`rasad quarantine`: what was refused and kept, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    existing_data,
    print_json,
    say,
    settings_of,
    wrong_usage_ends,
)
from telemetry.reasons import CURE

if TYPE_CHECKING:
    from service.quarantine_desk import Desk

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look at refused messages, requeue or drop them.")

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of rows.", min=1)]
ByPilot = Annotated[str | None, typer.Option(help="Rows of this pilot.")]
ByReason = Annotated[str | None, typer.Option(help="Rows with this reason.")]


@app.command("list")
def list_rows(
    pilot: ByPilot = None,
    reason: ByReason = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows, the newest.")] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """List quarantine, newest first."""
    with _desk(config, data) as desk:
        rows = list(islice(desk.rows(pilot, reason), limit))
    if as_json:
        print_json({"items": rows, "next": None})
        return
    for row in rows:
        whose = f"{row['pilot'] or '-'}/{row['device'] or '-'}"
        print(f"{row['id']:>8}  {row['reason']:<22} {whose}  {_plain(row['detail'])[:100]}")
    say(f"{len(rows)} rows" if rows else "quarantine is empty" + (" of such rows" if pilot or reason else ""))


@app.command()
def show(
    row_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the row.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Show one row with its whole payload, and the cure."""
    with _desk(config, data) as desk, wrong_usage_ends():
        row = desk.row(row_id)
        if row is None:
            raise ValueError(f"there is no row {row_id} in quarantine; `rasad quarantine list` shows what is")
    if as_json:
        print_json(row)
        return
    for name in ("id", "reason", "detail", "pilot", "device", "topic", "readings", "payload_bytes"):
        print(f"{name:<14} {row[name]}")
    print(f"{'cure':<14} {CURE.get(row['reason'], '')}")
    print(f"{'payload':<14} {'(base64) ' if row['payload_encoding'] == 'base64' else ''}{_plain(row['payload'])}")


@app.command()
def requeue(
    ids: Ids = None,
    pilot: ByPilot = None,
    reason: ByReason = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Send rows through ingest again, after their cause is mended."""
    with _desk(config, data) as desk:
        chosen = _chosen(desk, ids, pilot, reason)
        for row_id in chosen:
            desk.requeue(row_id)
    _done("requeued", chosen, as_json)


@app.command()
def drop(
    ids: Ids = None,
    pilot: ByPilot = None,
    reason: ByReason = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Throw rows away for good; their readings count as rejected."""
    with _desk(config, data) as desk:
        chosen = _chosen(desk, ids, pilot, reason)
        for row_id in chosen:
            desk.drop(row_id)
    _done("dropped", chosen, as_json)


def _chosen(desk: Desk, ids: list[int] | None, pilot: str | None, reason: str | None) -> list[int]:
    """The rows that ids or filters name, oldest first, so that the first of several readings stays the first."""
    with wrong_usage_ends():
        if bool(ids) == bool(pilot or reason):
            raise ValueError("name rows by their ids, or by --pilot and --reason: one of both")
        if reason is not None and reason not in CURE:
            raise ValueError(f"--reason {reason!r} is not known; `rasad quarantine list` shows those there are")
    if ids:
        return sorted(set(ids))
    return sorted(row["id"] for row in desk.rows(pilot, reason))


def _done(what: str, ids: list[int], as_json: bool) -> None:
    if as_json:
        print_json({what: ids})
    else:
        print(f"{len(ids)} rows {what}")


def _plain(text: str) -> str:
    """Keep what a device sent from steering the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


@contextmanager
def _desk(config: Path | None, data: Path | None) -> Iterator[Any]:
    from service.quarantine_desk import desk

    settings = settings_of(config, data)
    with desk(settings, existing_data(settings)) as opened:
        yield opened
