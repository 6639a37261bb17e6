"""CSV: long (time, device, metric, value), wide (time, device, a column a metric) and two columns (time, value)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from service.history.lines import Asked, Bad, Item, Sample, WrongFile

_TIME: Final = ("time", "timestamp", "ts", "datetime", "date")
#: columns of our own export that are no metrics
_BESIDE: Final = {"unit", "flag", "reasons", "received"}
_MISSING: Final = {"", "nan", "null", "none", "na", "n/a"}
_WORDS: Final = {"true": True, "false": False}
#: what a spreadsheet would run is exported with an apostrophe before it
_RISKY: Final = ("'=", "'+", "'-", "'@", "'\t", "'\r")


@dataclass(frozen=True)
class _Columns:
    """Where things stand in a row; None: not in the file, the options say it."""

    width: int
    time: int
    pilot: int | None
    device: int | None
    metric: int | None
    value: int | None
    wide: dict[str, int]


def read(lines: IO[bytes], asked: Asked) -> Iterator[Item]:
    """Read row by row; `WrongFile` when the head names no usable columns."""
    text = io.TextIOWrapper(lines, encoding="utf-8-sig", errors="replace", newline="")
    try:
        yield from _rows(csv.reader(text), asked)
    finally:
        text.detach()  # the file is the caller's to close


def _rows(rows: Any, asked: Asked) -> Iterator[Item]:
    head = next(rows, None)
    if head is None:
        return
    columns = _columns(head, asked)
    convert = _wide(columns, asked) if columns.wide else _long(columns, asked)
    width = columns.width
    while True:
        try:
            # one handler for many rows: setting it up for each costs more than reading it
            for row in rows:
                if len(row) == width:
                    sample = convert(row)
                    if sample is not None:
                        yield sample
                elif row:
                    yield Bad(rows.line_num, f"has {len(row)} cells, the head has {width}")
            return
        except (csv.Error, ValueError) as error:
            yield Bad(rows.line_num, str(error))


def _columns(head: list[str], asked: Asked) -> _Columns:
    names = [name.strip().lower() for name in head]
    at = {name: index for index, name in reversed(list(enumerate(names)))}
    time = next((at[name] for name in _TIME if name in at), None)
    if time is None:
        raise WrongFile(f"the first line names no time column ({', '.join(head)[:80]}); call one `time`")
    if "device" not in at and asked.device is None:
        raise WrongFile(f"the columns ({', '.join(head)[:80]}) name no device; give --device (and --metric)")
    if "pilot" not in at and asked.pilot is None:
        raise WrongFile("the file names no pilot; give --pilot")
    value, metric = at.get("value"), at.get("metric")
    wide: dict[str, int] = {}
    if value is None or (metric is None and asked.metric is None):
        wide = {n: i for n, i in at.items() if n not in {*_BESIDE, *_TIME, "pilot", "device", "metric"} and n}
        if not wide:
            raise WrongFile(f"the columns ({', '.join(head)[:80]}) hold no value")
        if list(wide) == ["value"]:
            raise WrongFile("the column `value` is of no named metric; give --metric, or name the column after it")
    return _Columns(len(head), time, at.get("pilot"), at.get("device"), metric, value, wide)


def _long(columns: _Columns, asked: Asked) -> Callable[[list[str]], Sample | None]:
    time, value, ms = columns.time, columns.value or 0, asked.times.ms
    pilot, device, metric = _cell(columns.pilot, asked.pilot), _cell(columns.device, asked.device), columns.metric
    given, device_at = asked.pilot if columns.pilot is None else None, columns.device

    def convert(row: list[str]) -> Sample:
        of = row[metric] if metric is not None else asked.metric or ""
        return Sample(pilot(row), device(row), ms(row[time]), {of: number(row[value])})

    def usual(row: list[str]) -> Sample:
        name = row[device_at]  # type: ignore[index]
        if name[:1] == "'":
            return convert(row)
        return Sample(given, name, ms(row[time]), {row[metric]: number(row[value])})  # type: ignore[arg-type, index]

    return usual if given and device_at is not None and metric is not None else convert


def _wide(columns: _Columns, asked: Asked) -> Callable[[list[str]], Sample | None]:
    pilot, device = _cell(columns.pilot, asked.pilot), _cell(columns.device, asked.device)

    def convert(row: list[str]) -> Sample | None:
        # in a wide table an empty cell says that the device reported others then, not that it reported nothing
        values = {name: number(row[index]) for name, index in columns.wide.items() if row[index].strip()}
        return Sample(pilot(row), device(row), asked.times.ms(row[columns.time]), values) if values else None

    return convert


def _cell(index: int | None, given: str | None) -> Callable[[list[str]], str]:
    if index is None:
        return lambda _: given or ""

    def cell(row: list[str]) -> str:
        text = row[index]
        return text[1:] if text[:1] == "'" and text.startswith(_RISKY) else text

    return cell


def number(text: str) -> Any:
    """Read a value: a number, true or false, None for a missing one; other text stays text, for the engine to judge.

    >>> number("4.5"), number("NA"), number("true"), number("4,5")
    (4.5, None, True, '4,5')
    """
    try:
        found = float(text)
    except ValueError:
        plain = text.strip().lower()
        return None if plain in _MISSING else _WORDS.get(plain, text)
    return found if found == found else None
