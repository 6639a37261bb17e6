"""The shapes of the answers: one struct each, which is both what is encoded and what OpenAPI shows."""

from __future__ import annotations

from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from fastapi import Response

from api.problems import MEDIA_TYPE, ProblemDocument
from processing.pilot import Text

T = TypeVar("T")
HealthState = Literal["ok", "warn", "failed"]
State = Literal["online", "stale", "offline", "never_seen"]
Number = int | float
Reasons = dict[Literal["quarantined", "rejected"], dict[str, int]]
#: what FastAPI takes as `responses=`
Responses = dict[int | str, dict[str, Any]]


class Page(msgspec.Struct, Generic[T]):
    """A part of a list; `next` is the cursor of the next part, null at the end."""

    items: list[T]
    next: str | None


class MetricView(msgspec.Struct):
    """A metric as the pilot declares it. `unit` is UCUM."""

    name: Text
    unit: str
    decimals: int
    plausible_range: tuple[float, float] | None


class KindView(msgspec.Struct):
    """A kind of device."""

    name: Text
    interval_ms: Number
    stale_after_ms: Number
    metrics: dict[str, MetricView]


class PilotView(msgspec.Struct):
    """A pilot with its kinds, and how many of its devices are in which state. `centre` is (latitude, longitude)."""

    id: str
    name: Text
    timezone: str
    centre: tuple[float, float]
    base_window: str
    accept_unregistered: bool
    kinds: dict[str, KindView]
    devices: int
    states: dict[State, int]


class LatestView(msgspec.Struct):
    """The newest reading of a metric. `value` is null where the reading says that it is missing (flag 9)."""

    value: float | None
    flag: int
    reasons: list[str]
    time_ms: Number
    age_ms: Number
    received_ms: Number


class DeviceView(msgspec.Struct):
    """A device. `kind` is null for one accepted without being declared; `latest` lacks metrics never seen."""

    pilot: str
    device: str
    kind: str | None
    name: Text
    location: tuple[float, float] | None
    registered: bool
    state: State
    status: Literal["online", "offline"] | None
    last_seen_ms: Number | None
    latest: dict[str, LatestView]


class ReadingColumns(msgspec.Struct):
    """Readings of one series by time, as columns of equal length."""

    time_ms: list[Number]
    value: list[float | None]
    flag: list[int]
    reasons: list[list[str]]
    received_ms: list[Number]


class WindowColumns(msgspec.Struct, omit_defaults=True):
    """Aggregates of one series by start, as columns of equal length; `p50` and `p95` for the base window alone."""

    start_ms: list[Number]
    count: list[int]
    mean: list[float | None]
    min: list[float | None]
    max: list[float | None]
    sum: list[float | None]
    std: list[float | None]
    first: list[float | None]
    last: list[float | None]
    good: list[int]
    suspect: list[int]
    fail: list[int]
    missing: list[int]
    revision: list[int]
    p50: list[float | None] = []
    p95: list[float | None] = []


class EventView(msgspec.Struct):
    """A discrete event or a change of status; `body` is what the device sent."""

    pilot: str
    device: str
    time_ms: Number
    received_ms: Number
    kind: str
    key: str
    body: Any


class LedgerAnswer(msgspec.Struct, omit_defaults=True):
    """Where the received readings went. Without `pilot` in the query, `by_pilot` has the share of each."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    rejected: int
    pending: int
    balanced: bool
    sequence_gaps: int
    by_reason: Reasons
    by_pilot: dict[str, LedgerAnswer] = {}


class QuarantineView(msgspec.Struct):
    """A row of quarantine. In lists a long payload is cut (`payload_cut`); bytes that are no UTF-8 come as base64."""

    id: int
    pilot: str | None
    device: str | None
    topic: str
    reason: str
    detail: str
    received_ms: Number
    readings: int
    payload: str
    payload_encoding: Literal["utf-8", "base64"]
    payload_bytes: int
    payload_cut: bool


class Requeued(msgspec.Struct):
    """A row that goes through ingest again."""

    id: int
    requeued: bool


class CheckView(msgspec.Struct):
    """One check of readiness."""

    name: str
    state: HealthState
    why: str


class Readiness(msgspec.Struct):
    """Whether the service can do its work; `warn` still serves."""

    status: HealthState
    checks: list[CheckView]


class Liveness(msgspec.Struct):
    """The process answers."""

    status: Literal["ok"]
    version: str


DOCUMENTED: Final[tuple[Any, ...]] = (
    Page[PilotView], Page[DeviceView], DeviceView, ReadingColumns, WindowColumns, Page[EventView], LedgerAnswer,
    Page[QuarantineView], QuarantineView, Requeued, Readiness, Liveness, ProblemDocument,
)  # fmt: skip
_REF: Final = "#/components/schemas/{name}"
_ENCODER: Final = msgspec.json.Encoder()

COMPONENTS: Final[dict[str, Any]] = msgspec.json.schema_components(DOCUMENTED, ref_template=_REF)[1]
_SHAPES: Final[dict[Any, Any]] = dict(
    zip(DOCUMENTED, msgspec.json.schema_components(DOCUMENTED, ref_template=_REF)[0], strict=True)
)


def answer(shape: Any, status: int = 200) -> Response:
    """Encode an answer."""
    return Response(_ENCODER.encode(shape), status, media_type="application/json")


def documented(shape: Any, *refusals: int, status: int = 200) -> Responses:
    """Give what OpenAPI says of a route: the shape of its answer, and problem documents for the refusals."""
    problem = {MEDIA_TYPE: {"schema": _SHAPES[ProblemDocument]}}
    good = {
        "description": (shape.__doc__ or "Answer").splitlines()[0],
        "content": {"application/json": {"schema": _SHAPES[shape]}},
    }
    known = {401: "Not authenticated", 403: "Not allowed", 422: "Invalid request", 429: "Too many requests"}
    others = {404: "Nothing of this name", 413: "Range too large", 503: "Store away"}
    bad = {code: (known | others)[code] for code in (*known, *refusals)}
    answers: Responses = {status: good}
    for code, text in bad.items():
        answers[code] = {"description": text, "content": problem}
    return answers
