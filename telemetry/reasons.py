"""The closed lists of why a reading was kept aside (quarantined) or refused (rejected)."""

from enum import StrEnum
from typing import Final, NamedTuple


class Quarantined(StrEnum):
    """Kept aside with what was sent, when, by whom and why; can be requeued after the cause is mended."""

    UNDECODABLE = "undecodable"
    BAD_SHAPE = "bad_shape"
    BAD_TIME = "bad_time"
    BAD_VALUE = "bad_value"
    BAD_TOPIC = "bad_topic"
    BAD_STATUS = "bad_status"
    BAD_PACKET = "bad_packet"
    TOO_MANY_READINGS = "too_many_readings"
    TOO_MANY_SERIES = "too_many_series"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_METRIC = "unknown_metric"
    FUTURE = "future"
    TOO_OLD = "too_old"
    CONFLICT = "conflict"
    RETAINED_WITHOUT_TIME = "retained_without_time"
    INTERNAL_ERROR = "internal_error"


class Rejected(StrEnum):
    """Refused and counted, not kept."""

    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    QUARANTINE_FULL = "quarantine_full"
    DROPPED_BY_OPERATOR = "dropped_by_operator"


#: stands for the pilot where a topic names none that is known
NO_PILOT: Final = "_unknown"


class Aside(NamedTuple):
    """What goes to quarantine: who sent what, when, and why it could not be taken."""

    pilot: str
    device: str
    topic: str
    reason: Quarantined
    detail: str
    payload: bytes
    readings: int
    received_ns: int


class Refused(NamedTuple):
    """Readings that were refused without keeping them."""

    pilot: str
    reason: Rejected
    readings: int


#: what each reason means and what to do about it, for `docs/quarantine.md`, the API and the shell
CURE: dict[str, str] = {
    Quarantined.UNDECODABLE: "The payload is no UTF-8 JSON, or nested too deep. Mend the device's encoder.",
    Quarantined.BAD_SHAPE: "The JSON has not the members of a telemetry message: ts, values, seq, or bare values.",
    Quarantined.BAD_TIME: "ts is neither ms since 1970 nor RFC 3339 with an offset.",
    Quarantined.BAD_VALUE: "A value is no finite number, boolean or null.",
    Quarantined.BAD_TOPIC: "The topic is not city/v1/{pilot}/{device}/telemetry, event or status with allowed names.",
    Quarantined.BAD_STATUS: "A status message says online or offline, nothing else.",
    Quarantined.BAD_PACKET: "The MQTT packet breaks the protocol (bad characters in its topic or properties).",
    Quarantined.TOO_MANY_READINGS: "One message carries more objects than allowed; split it.",
    Quarantined.TOO_MANY_SERIES: "Unregistered devices and metrics have reached their limit; register them.",
    Quarantined.UNKNOWN_DEVICE: "No pilot declares the device; add it to signals.toml and requeue.",
    Quarantined.UNKNOWN_METRIC: "The device's kind does not declare the metric; add it to signals.toml and requeue.",
    Quarantined.FUTURE: "The time stamp is more than 5 min ahead of us; check the device's clock and unit (ms).",
    Quarantined.TOO_OLD: "The time stamp is older than the pilot's max_age; check clock and unit, or raise max_age.",
    Quarantined.CONFLICT: "Another value with the same device, metric and time came first and stands.",
    Quarantined.RETAINED_WITHOUT_TIME: "A retained message without ts: nobody knows when it was true. Send ts.",
    Quarantined.INTERNAL_ERROR: "A fault of ours; please report it with the payload.",
    Rejected.TOO_LARGE: "The payload is over the size limit (256 KiB); split it.",
    Rejected.RATE_LIMITED: "The device sends faster than admission.device_messages_per_s allows.",
    Rejected.QUARANTINE_FULL: "Quarantine is full (quarantine.max_bytes); requeue or drop what is there.",
    Rejected.DROPPED_BY_OPERATOR: "An operator dropped it from quarantine.",
}
