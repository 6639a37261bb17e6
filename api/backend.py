"""What the API needs from the rest of Rasad, as a protocol. `service` gives the real one; nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry

from api.live import Hub
from api.sessions import SessionBook
from processing.pilot import Pilot
from storage.tokens import TokenBook
from telemetry.ports import Store
from telemetry.registry import SeriesTable


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a series by event time. A missing value is NaN with flag 9; `reasons` is the bit set."""

    time_ns: int
    value: float
    flag: int
    reasons: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Connection:
    """What the status topic said last and when, and when anything at all came from the device (server time)."""

    status: Literal["online", "offline"] | None = None
    status_ns: int | None = None
    last_seen_ns: int | None = None


def _merged(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {reason: a.get(reason, 0) + b.get(reason, 0) for reason in sorted({*a, *b})}


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Where the received readings went since the data directory began.

    >>> LedgerView(received=3, stored=2, duplicate=1).balanced
    True
    """

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    rejected: int = 0
    pending: int = 0
    sequence_gaps: int = 0
    quarantined_by_reason: Mapping[str, int] = field(default_factory=dict)
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Tell whether every received reading is accounted for."""
        return self.received == self.stored + self.duplicate + self.quarantined + self.rejected + self.pending

    def __add__(self, other: LedgerView) -> LedgerView:
        return LedgerView(
            received=self.received + other.received,
            stored=self.stored + other.stored,
            duplicate=self.duplicate + other.duplicate,
            quarantined=self.quarantined + other.quarantined,
            rejected=self.rejected + other.rejected,
            pending=self.pending + other.pending,
            sequence_gaps=self.sequence_gaps + other.sequence_gaps,
            quarantined_by_reason=_merged(self.quarantined_by_reason, other.quarantined_by_reason),
            rejected_by_reason=_merged(self.rejected_by_reason, other.rejected_by_reason),
        )


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One message (or the part of it) in quarantine. `pilot` and `device` are None where the topic named none."""

    id: int
    pilot: str | None
    device: str | None
    topic: str
    reason: str
    detail: str
    received_ns: int
    readings: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Check:
    """One line of health: `warn` still serves, `failed` makes `/readyz` answer 503. `why` is for a person."""

    name: str
    state: Literal["ok", "warn", "failed"]
    why: str = ""


class Backend(Protocol):
    """Everything the API reads and the few things that it asks for. All methods are called from one event loop.

    Sync methods answer from memory and must not block; async ones may wait for a database.
    """

    @property
    def pilots(self) -> Mapping[str, Pilot]:
        """Every pilot that runs, by id."""
        ...

    @property
    def store(self) -> Store:
        """Where readings, windows and events are read."""
        ...

    @property
    def series(self) -> SeriesTable:
        """Names and ids of series."""
        ...

    @property
    def tokens(self) -> TokenBook:
        """Who may use the API."""
        ...

    @property
    def sessions(self) -> SessionBook:
        """Who is signed in to the console."""
        ...

    @property
    def hub(self) -> Hub:
        """Where live events are published and read."""
        ...

    @property
    def metrics(self) -> CollectorRegistry:
        """What `/metrics` shows."""
        ...

    def clock_ns(self) -> int:
        """Server time, ns since 1970."""
        ...

    def latest(self, series: Sequence[int]) -> list[Latest | None]:
        """Newest reading of each series, None where there is none."""
        ...

    def devices(self, pilot: str) -> Sequence[str]:
        """Ids of the pilot's devices: those it declares, then those it accepted unregistered, each sorted."""
        ...

    def connection(self, pilot: str, device: str) -> Connection:
        """What is known of a device's connection."""
        ...

    async def ledger(self, pilot: str | None) -> LedgerView:
        """The ledger of one pilot, or of all that ever came, also what belongs to no pilot."""
        ...

    async def quarantine(
        self, pilot: str | None, reason: str | None, before_id: int | None, limit: int
    ) -> list[QuarantineRow]:
        """Rows with id < `before_id`, newest first."""
        ...

    async def quarantine_row(self, row_id: int) -> QuarantineRow | None:
        """One row, None when it is gone."""
        ...

    async def requeue(self, row_id: int, by: str) -> bool:
        """Send a row through ingest again; False when it is gone. `by` is for the audit."""
        ...

    async def drop(self, row_id: int, by: str) -> bool:
        """Throw a row away for good; False when it is gone. `by` is for the audit."""
        ...

    def health(self) -> Sequence[Check]:
        """Every check of readiness."""
        ...
