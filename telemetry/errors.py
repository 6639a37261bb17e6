"""Errors whose class tells the caller what to do: mend the settings, retry later, or stop."""

from dataclasses import dataclass
from pathlib import Path


class RasadError(Exception):
    """Any error that Rasad raises on purpose; its text is meant for the person at the screen."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in a settings file: where it stands, what is wrong, and the cure."""

    file: Path | str
    line: int
    key: str
    what: str
    cure: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{where}: {self.key}: {self.what}. {self.cure}"


class SettingsError(RasadError):
    """Settings or a pilot's file cannot be used; the caller stops with exit code 2 and shows every mistake."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(m) for m in mistakes))
        self.mistakes = mistakes


class StoreAway(RasadError):
    """The store cannot be reached or refuses for now: keep everything and try again later."""


class StoreRefused(RasadError):
    """The store says that what it was given or asked can never work: stop trying and tell a person."""


class RangeTooLarge(RasadError):
    """A query asks for more points than one answer carries (413); the text says how to narrow it."""


class DiskFull(RasadError):
    """The operational database cannot be written for want of room; ingest stops acknowledging until there is."""
