"""Every mistake in the settings and in all pilots that can be found, selected or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.discovery import discover, find_pilots
from service.settings_load import load_settings
from telemetry.errors import Mistake, SettingsError


@dataclass(frozen=True)
class CheckReport:
    """What `rasad check` found: mistakes, and how much was looked at."""

    mistakes: tuple[Mistake, ...]
    pilots: tuple[str, ...]
    devices: int

    def as_json(self) -> dict[str, Any]:
        """Give the report as the JSON of `rasad check --json`."""
        return {
            "ok": not self.mistakes,
            "pilots": list(self.pilots),
            "devices": self.devices,
            "mistakes": [
                {"file": str(m.file), "line": m.line or None, "key": m.key, "what": m.what, "cure": m.cure}
                for m in self.mistakes
            ],
        }


def check_everything(config: Path | None, flags: Mapping[str, Mapping[str, Any]]) -> CheckReport:
    """Check settings and pilots; with broken settings only the pilots' folders that the flags name are looked into."""
    try:
        settings = load_settings(config, flags)
        dirs, only, mistakes = settings.pilots.dirs, settings.pilots.only, []
    except SettingsError as error:
        dirs, only, mistakes = tuple(flags.get("pilots", {}).get("dirs") or ()), (), error.mistakes
    found = discover(dirs)
    mistakes = [*mistakes, *found.mistakes, *_selection_mistakes(dirs, only)]
    devices = sum(len(one.pilot.devices) for one in found.found)
    return CheckReport(tuple(dict.fromkeys(mistakes)), tuple(one.pilot.id for one in found.found), devices)


def _selection_mistakes(dirs: tuple[Path, ...], only: tuple[str, ...]) -> list[Mistake]:
    try:
        find_pilots(dirs, only)
    except SettingsError as error:
        return error.mistakes
    return []
