"""What the ticks have left for the next settling: admitted readings, suspects, counts and troubles."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.admission import Admitted, Arrivals
from ingest.decode import Decoded, Happening
from telemetry.columns import Readings
from telemetry.reasons import Aside, Refused


@dataclass(slots=True)
class Pile:
    """Grows tick by tick; a settling takes it whole. `journal_upto` is the last journaled group in it."""

    fresh: list[Readings] = field(default_factory=list)
    suspects: list[Arrivals] = field(default_factory=list)
    duplicates: list[Arrivals] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    sequences: list[tuple[int, int]] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    journal_upto: int = 0
    rows: int = 0

    def add(self, number: int, decoded: Decoded, admitted: Admitted, fresh: Readings) -> None:
        """Put one tick on the pile."""
        self.journal_upto = max(self.journal_upto, number)
        self.rows += len(decoded.series)
        if len(fresh):
            self.fresh.append(fresh)
        if len(admitted.suspects):
            self.suspects.append(admitted.suspects)
        if len(admitted.duplicates):
            self.duplicates.append(admitted.duplicates)
        self.asides.extend(decoded.asides)
        self.refused.extend(decoded.refused)
        self.happenings.extend(decoded.happenings)
        self.sequences.extend(decoded.sequences)
        for pilot, readings in decoded.received.items():
            self.received[pilot] = self.received.get(pilot, 0) + readings

    @property
    def empty(self) -> bool:
        """Nothing has come."""
        return self.journal_upto == 0
