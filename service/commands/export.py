"""`rasad export`: readings or aggregates into a CSV or Parquet file."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    PilotsDirOption,
    PilotsOption,
    StoreOption,
    existing_data,
    say,
    settings_of,
    wrong_usage_ends,
)
from service.logs import configure

if TYPE_CHECKING:
    from api.export import Format


def export(
    pilot: Annotated[str, typer.Option(help="Pilot.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; `-` is stdout.")],
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only this metric.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Begin, inclusive: ms since 1970, or RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive: ms since 1970, or RFC 3339.")] = None,
    window: Annotated[str | None, typer.Option(help="Aggregates of 10s, 1m or 1h; without it readings.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="csv or parquet; by the ending if not given.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    pilots_dir: PilotsDirOption = None,
    pilots: PilotsOption = None,
    store: StoreOption = None,
) -> None:
    """Write readings or aggregates of a pilot, a device or a series in [from, to) to a file."""
    settings = settings_of(config, data, pilots={"dirs": pilots_dir or None, "only": pilots}, store={"url": store})
    configure(settings.log.model_copy(update={"level": "warning"}))
    with wrong_usage_ends():
        from service.exporting import Wanted, parts

        wanted = Wanted(pilot, device, metric, begin, end, window, _format(form, out))
        wanted.check()
    folder = existing_data(settings)
    with _written(out) as file:
        size = _write(parts(settings, folder, wanted, say), file)
    say(f"{size:,} bytes written to {out}")


def _write(parts: Iterator[bytes], file: IO[bytes]) -> int:
    return sum(file.write(part) for part in parts)


def _format(asked: str | None, out: Path) -> Format:
    name = asked or (
        "parquet" if out.suffix == ".parquet" else "csv" if out.suffix == ".csv" or str(out) == "-" else ""
    )
    if name not in ("csv", "parquet"):
        what = f"--format {asked!r} is not known" if asked else f"the ending of {out} tells no format"
        raise ValueError(f"{what}; give --format csv or parquet")
    return cast("Format", name)


@contextmanager
def _written(out: Path) -> Iterator[IO[bytes]]:
    """The file appears whole or not at all."""
    if str(out) == "-":
        yield sys.stdout.buffer
        return
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    with wrong_usage_ends():
        file = draft.open("xb")
    try:
        with file:
            yield file
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)
