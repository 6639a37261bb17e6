"""Finds pilots by their folders: those shipped in `pilots/`, and those in the folders that settings name.

A pilot is a folder with a `signals.toml`. Its id is the `id` in that file; the folder may be called otherwise, because
a Python package cannot carry every name that a topic can (dashes) and a folder may carry a version. Python beside the
file is part of the pilot only in the shipped package: a folder that somebody added is data and is never imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pilots
from processing.pilot import Pilot
from processing.signals import pilot_from_toml
from processing.typed_tables import meant
from service.settings_load import read_text
from telemetry.errors import Mistake, SettingsError
from telemetry.toml_lines import TomlLines, parse_toml

SIGNALS = "signals.toml"


@dataclass(frozen=True)
class FoundPilot:
    """A pilot and where it was found. `module` is its Python package, None when it is only a file."""

    pilot: Pilot
    folder: Path
    module: str | None


@dataclass(frozen=True)
class Discovery:
    """What was found. `mistakes` are those of every pilot, also of those that nobody selected."""

    found: tuple[FoundPilot, ...]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class _Candidate:
    """A folder with a `signals.toml`, read as far as it could be; `id` is the folder's name where none can be read."""

    file: Path
    id: str
    id_line: int
    pilot: Pilot | None
    module: str | None
    mistakes: tuple[Mistake, ...]


def find_pilots(dirs: Sequence[Path] = (), only: Sequence[str] = ()) -> tuple[FoundPilot, ...]:
    """Give the selected pilots, all when `only` is empty, by id.

    `SettingsError` carries every mistake in the selected ones; a broken pilot that was not selected stops nobody.
    """
    candidates = list(_candidates(dirs))
    chosen = [c for c in candidates if not only or c.id in only]
    mistakes = [*_folder_mistakes(dirs), *_of_all(chosen), *_unknown(only, candidates)]
    if not mistakes and not chosen:
        where = ", ".join(str(folder) for folder in [_shipped(), *dirs])
        cure = f"put a folder with a {SIGNALS} into one of them"
        mistakes = [Mistake(where, 0, "pilots", "no pilot was found", cure)]
    if mistakes:
        raise SettingsError(mistakes)
    return _found(chosen)


def discover(dirs: Sequence[Path] = ()) -> Discovery:
    """Find every pilot and every mistake, without raising."""
    candidates = list(_candidates(dirs))
    return Discovery(_found(candidates), (*_folder_mistakes(dirs), *_of_all(candidates)))


def _found(candidates: Iterable[_Candidate]) -> tuple[FoundPilot, ...]:
    found = [FoundPilot(c.pilot, c.file.parent, c.module) for c in candidates if c.pilot]
    return tuple(sorted(found, key=lambda one: one.pilot.id))


def _shipped() -> Path:
    return Path(pilots.__file__).parent


def _candidates(dirs: Sequence[Path]) -> Iterator[_Candidate]:
    shipped = _shipped()
    seen: set[Path] = set()
    for folder in [shipped, *dirs]:
        for file in sorted(folder.glob(f"*/{SIGNALS}")):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                is_package = folder == shipped and (file.parent / "__init__.py").exists()
                yield _candidate(file, f"{pilots.__name__}.{file.parent.name}" if is_package else None)


def _candidate(file: Path, module: str | None) -> _Candidate:
    try:
        text = read_text(file)
        pilot = pilot_from_toml(text, str(file))
    except SettingsError as error:
        name, line = _id_in(file)
        return _Candidate(file, name, line, None, module, tuple(error.mistakes))
    return _Candidate(file, pilot.id, 0, pilot, module, ())


def _id_in(file: Path) -> tuple[str, int]:
    """Read the id alone out of a broken file, so that a selection can tell whether it is meant."""
    try:
        text = read_text(file)
        head = parse_toml(text, str(file)).get("pilot")
    except SettingsError:
        return file.parent.name, 0
    name = head.get("id") if isinstance(head, dict) else None
    return (name, TomlLines(text).of(("pilot", "id"))) if isinstance(name, str) else (file.parent.name, 0)


def _of_all(candidates: list[_Candidate]) -> Iterator[Mistake]:
    first: dict[str, _Candidate] = {}
    for candidate in candidates:
        yield from candidate.mistakes
        other = first.setdefault(candidate.id, candidate)
        if other is not candidate:
            line = candidate.id_line or TomlLines(read_text(candidate.file)).of(("pilot", "id"))
            what = f"{candidate.id!r} is the id of {other.file} too"
            yield Mistake(str(candidate.file), line, "pilot.id", what, "give each pilot an id of its own")


def _folder_mistakes(dirs: Sequence[Path]) -> Iterator[Mistake]:
    for folder in dirs:
        if not folder.is_dir():
            cure = f"name a folder whose folders hold a {SIGNALS} each"
            yield Mistake(str(folder), 0, "pilots.dirs", "is no folder", cure)
        elif (folder / SIGNALS).exists():
            cure = f"name the folder above it: {folder.parent}"
            yield Mistake(str(folder), 0, "pilots.dirs", "is a pilot itself", cure)


def _unknown(only: Sequence[str], candidates: list[_Candidate]) -> Iterator[Mistake]:
    ids = {candidate.id for candidate in candidates}
    for name in only:
        if name not in ids:
            yield Mistake("pilots.only", 0, name, "no pilot of that id was found", meant(name, ids))
