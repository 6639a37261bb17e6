"""A history file, opened: gzipped or not, its form by name or by option, and how far it has been read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Literal, cast, get_args

from service.history import csv_lines, influx_lines, json_lines
from service.history.lines import Asked, Bad, Item, WrongFile

Form = Literal["json", "csv", "line"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
_ENDINGS: Final[dict[str, Form]] = {
    ".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv",
    ".lp": "line", ".line": "line", ".influx": "line",
}  # fmt: skip
_GZIP_MAGIC: Final = b"\x1f\x8b"
_READERS: Final[dict[Form, Callable[[IO[bytes], Asked], Iterator[Item]]]] = {
    "json": json_lines.read, "csv": csv_lines.read, "line": influx_lines.read,
}  # fmt: skip


def form_of(file: Path, asked: str | None) -> Form:
    """Tell the form of a file by its ending, unless it was asked for; `WrongFile` when neither says.

    >>> form_of(Path("day.csv.gz"), None)
    'csv'
    """
    if asked is not None:
        for form in FORMS:
            if form == asked:
                return form
        raise WrongFile(f"--format {asked!r} is not known; choose from {', '.join(FORMS)}")
    name = file.with_suffix("") if file.suffix == ".gz" else file
    if name.suffix.lower() not in _ENDINGS:
        raise WrongFile(f"{file}: its ending tells no form; give --format {', '.join(FORMS)}")
    return _ENDINGS[name.suffix.lower()]


class HistoryFile:
    """Iterate over its items; `bytes_read` of `size` tells how far that is. OSError when it cannot be opened."""

    def __init__(self, file: Path, form: Form, asked: Asked) -> None:
        self.file, self.size = file, file.stat().st_size
        self._form, self._asked = form, asked
        self._raw = file.open("rb")
        zipped = self._raw.read(2) == _GZIP_MAGIC
        self._raw.seek(0)
        plain = io.BufferedReader(gzip.GzipFile(fileobj=self._raw), 1 << 20) if zipped else self._raw
        self._bytes = cast("IO[bytes]", plain)

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far, compressed where it is."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from _READERS[self._form](self._bytes, self._asked)
        except (EOFError, gzip.BadGzipFile) as error:
            yield Bad(0, f"the file cannot be unpacked to its end: {error}")

    def __enter__(self) -> HistoryFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()
        self._raw.close()
