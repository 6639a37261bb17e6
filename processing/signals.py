"""The text of a `signals.toml` into a `Pilot`, or every mistake in it with line, key and cure.

Nothing is read from disk here: the caller gives the text and the name of the file that mistakes are to carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from processing.limits_check import limit_complaints
from processing.pilot import AlarmRule, Device, Kind, Level, Pilot, PilotHead, Text
from processing.typed_tables import Complaint, TableReader, meant
from telemetry.durations import duration_ns
from telemetry.errors import Mistake, SettingsError
from telemetry.names import is_metric, is_pilot_or_device
from telemetry.toml_lines import Key, TomlLines, key_text, parse_toml

MOST_KINDS: Final = 1_000
MOST_METRICS_OF_A_KIND: Final = 500
MOST_DEVICES: Final = 1_000_000
MOST_ALARMS: Final = 10_000
LONGEST_TEXT: Final = 2_000
_MINUTE_NS: Final = 60 * 10**9
_SECOND_NS: Final = 10**9
_LEVELS: Final[tuple[Level, ...]] = ("WARNING", "MINOR", "MAJOR", "CRITICAL")
_NAME_CURE: Final = "use 1 to 64 letters, digits, dots, dashes and underscores, not starting with an underscore"
_METRIC_CURE: Final = "use up to 64 small letters, digits and underscores, starting with a letter"
_EXAMPLES: Final[Mapping[str, str]] = {
    "id": '"harbour"', "name": '{en = "Harbour", ar = "الميناء"}', "guidance": '{en = "…", ar = "…"}',
    "en": '"…"; every text for people is in English and Arabic',
    "ar": '"…"; every text for people is in English and Arabic',
    "timezone": '"Asia/Muscat"', "centre": "[23.628, 58.566]", "location": "[23.6201, 58.5702]",
    "base_window": '"10s"', "max_age": '"400d"', "live_horizon": '"15m"', "interval": '"5m"', "stale_after": '"15m"',
    "clear_after": '"5m"', "unit": '"km/h"', "kind": '"traffic"', "metric": '"speed"', "when": '"above"',
    "levels": "{WARNING = 30, MAJOR = 15}", "gross_range": "{fail = [0, 300], suspect = [0, 160]}",
    "spike": "{suspect = 30, fail = 80}", "rate_of_change": "{suspect = 5.0}", "tolerance": "0.01",
    "flat_line": '{suspect = "30m", fail = "2h", tolerance = 0.01}', "accept_unregistered": "false", "decimals": "1",
    "codes": '{9999 = "no_echo"}', "pilot": "a [pilot] table with id, name, timezone and centre",
    "kinds": "a [kinds.NAME] table with name, interval and stale_after",
}  # fmt: skip


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pilot: PilotHead
    kinds: dict[str, Kind]
    devices: dict[str, Device] = {}
    alarms: list[AlarmRule] = []


def pilot_from_toml(text: str, file: str) -> Pilot:
    r"""Read a pilot; `SettingsError` carries every mistake, in the order of their lines.

    >>> pilot_from_toml("[kinds]\n[pilot]\nname = 5", "signals.toml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    telemetry.errors.SettingsError: signals.toml:1: kinds: declares no kind of device. add a [kinds.NAME] table
    signals.toml:2: pilot.centre: is missing. add centre = [23.628, 58.566]
    ...
    """
    tables = parse_toml(text, file)
    reader = TableReader(_EXAMPLES)
    read = reader.read(tables, _File)
    complaints = [*reader.complaints, *reader.meaningful(_complaints(read))]
    if complaints:
        raise SettingsError(_with_lines(complaints, text, file))
    return Pilot(read.pilot, read.kinds, read.devices, read.alarms)


def _with_lines(complaints: list[Complaint], text: str, file: str) -> list[Mistake]:
    lines = TomlLines(text)
    found = [Mistake(file, lines.of(c.path), key_text(c.path), c.what, c.cure) for c in complaints]
    return sorted(found, key=lambda mistake: (mistake.line, mistake.key))


def _complaints(read: _File) -> Iterator[Complaint]:
    yield from _count_complaints(read)
    yield from _head_complaints(read.pilot, ("pilot",))
    for name, kind in read.kinds.items():
        yield from _kind_complaints(name, kind)
    for name, device in read.devices.items():
        yield from _device_complaints(name, device, read.kinds)
    seen: dict[str, int] = {}
    for index, rule in enumerate(read.alarms):
        if seen.setdefault(rule.id, index) != index:
            what = f"{rule.id!r} is the id of alarms[{seen[rule.id]}] too"
            yield Complaint(("alarms", index, "id"), what, "give each alarm an id of its own")
        yield from _alarm_complaints(rule, ("alarms", index), read.kinds)


def _count_complaints(read: _File) -> Iterator[Complaint]:
    if not read.kinds:
        yield Complaint(("kinds",), "declares no kind of device", "add a [kinds.NAME] table")
    counts = (("kinds", len(read.kinds), MOST_KINDS), ("devices", len(read.devices), MOST_DEVICES))
    for key, count, most in (*counts, ("alarms", len(read.alarms), MOST_ALARMS)):
        if count > most:
            yield Complaint((key,), f"has {count} entries, at most {most} are taken", "split it into several pilots")


def _head_complaints(head: PilotHead, path: Key) -> Iterator[Complaint]:
    if not is_pilot_or_device(head.id):
        yield Complaint((*path, "id"), f"{head.id!r} cannot stand in a topic", _NAME_CURE)
    yield from _text_complaints(head.name, (*path, "name"))
    yield from _place_complaints(head.centre, (*path, "centre"))
    if not _is_timezone(head.timezone):
        cure = "write a name of the IANA time zone database, for example Asia/Muscat or Asia/Amman"
        yield Complaint((*path, "timezone"), f"{head.timezone!r} is no time zone", cure)
    yield from _base_window_complaints(head.base_window, (*path, "base_window"))
    for key, text in (("max_age", head.max_age), ("live_horizon", head.live_horizon)):
        yield from _duration_complaints(text, (*path, key))
    max_age_ns, live_ns = _ns(head.max_age), _ns(head.live_horizon)
    if max_age_ns and live_ns and live_ns > max_age_ns:
        what = f"{head.live_horizon} is longer than max_age = {head.max_age}"
        yield Complaint((*path, "live_horizon"), what, "make it at most max_age")


def _base_window_complaints(text: str, path: Key) -> Iterator[Complaint]:
    yield from _duration_complaints(text, path)
    length_ns = _ns(text)
    if length_ns and (length_ns < _SECOND_NS or _MINUTE_NS % length_ns):
        cure = "take 1s, 2s, 5s, 10s, 15s, 20s, 30s or 1m"
        yield Complaint(path, f"{text} is not a whole part of a minute of at least 1 s", cure)


def _kind_complaints(name: str, kind: Kind) -> Iterator[Complaint]:
    path: Key = ("kinds", name)
    if not is_pilot_or_device(name):
        yield Complaint(path, f"{name!r} is no name for a kind", _NAME_CURE, of_name=True)
    yield from _text_complaints(kind.name, (*path, "name"))
    yield from _duration_complaints(kind.interval, (*path, "interval"))
    yield from _duration_complaints(kind.stale_after, (*path, "stale_after"))
    interval_ns, stale_ns = _ns(kind.interval), _ns(kind.stale_after)
    if interval_ns and stale_ns and stale_ns < interval_ns:
        what = f"{kind.stale_after} is shorter than interval = {kind.interval}"
        yield Complaint((*path, "stale_after"), what, "make it at least as long, better three times the interval")
    if len(kind.metrics) > MOST_METRICS_OF_A_KIND:
        what = f"has {len(kind.metrics)} metrics, at most {MOST_METRICS_OF_A_KIND} are taken"
        yield Complaint((*path, "metrics"), what, "split the kind")
    for metric_name, metric in kind.metrics.items():
        below = (*path, "metrics", metric_name)
        if not is_metric(metric_name):
            yield Complaint(below, f"{metric_name!r} is no name for a metric", _METRIC_CURE, of_name=True)
        yield from _text_complaints(metric.name, (*below, "name"))
        yield from limit_complaints(metric, below)


def _device_complaints(name: str, device: Device, kinds: Mapping[str, Kind]) -> Iterator[Complaint]:
    path: Key = ("devices", name)
    if not is_pilot_or_device(name):
        yield Complaint(path, f"{name!r} cannot stand in a topic", _NAME_CURE, of_name=True)
    if device.kind not in kinds:
        yield Complaint((*path, "kind"), f"{device.kind!r} is no kind of this pilot", meant(device.kind, kinds))
    yield from _text_complaints(device.name, (*path, "name"))
    if device.location is not None:
        yield from _place_complaints(device.location, (*path, "location"))


def _alarm_complaints(rule: AlarmRule, path: Key, kinds: Mapping[str, Kind]) -> Iterator[Complaint]:
    if not is_pilot_or_device(rule.id):
        yield Complaint((*path, "id"), f"{rule.id!r} cannot stand in a topic", _NAME_CURE)
    yield from _text_complaints(rule.name, (*path, "name"))
    if rule.kind not in kinds:
        yield Complaint((*path, "kind"), f"{rule.kind!r} is no kind of this pilot", meant(rule.kind, kinds))
    elif rule.metric not in kinds[rule.kind].metrics:
        cure = meant(rule.metric, kinds[rule.kind].metrics)
        what, given = f"{rule.metric!r} is no metric of kind {rule.kind}", ("kinds", rule.kind, "metrics")
        yield Complaint((*path, "metric"), what, cure, given=(given,))
    yield from _level_complaints(rule, (*path, "levels"))
    if rule.hysteresis < 0:
        yield Complaint((*path, "hysteresis"), f"{rule.hysteresis:g} is negative", "write 0 or more")
    if not 1 <= rule.confirm <= 1000:
        yield Complaint((*path, "confirm"), f"{rule.confirm} samples cannot be waited for", "write 1 to 1000")
    yield from _duration_complaints(rule.clear_after, (*path, "clear_after"), zero=True)
    if rule.guidance is not None:
        yield from _text_complaints(rule.guidance, (*path, "guidance"))
    elif {"MAJOR", "CRITICAL"} & rule.levels.keys():
        cure = 'add guidance = {en = "…", ar = "…"} saying the cause, what to do and how long there is'
        yield Complaint((*path, "guidance"), "is missing; it is required from MAJOR up", cure)


def _level_complaints(rule: AlarmRule, path: Key) -> Iterator[Complaint]:
    if not rule.levels:
        yield Complaint(path, "names no level", "write for example {WARNING = 30, MAJOR = 15}")
    steps = [(level, rule.levels[level]) for level in _LEVELS if level in rule.levels]
    for (lower, low), (higher, high) in pairwise(steps):
        if low >= high if rule.when == "above" else low <= high:
            side, order = ("above", "rise") if rule.when == "above" else ("below", "fall")
            what = f"{high:g} is reached no later than {lower} = {low:g}"
            cure = f'with when = "{side}" thresholds {order} from WARNING to CRITICAL'
            yield Complaint((*path, higher), what, cure, given=((*path[:-1], "when"),))


def _text_complaints(text: Text, path: Key) -> Iterator[Complaint]:
    for language, words in (("en", text.en), ("ar", text.ar)):
        if not words.strip():
            yield Complaint((*path, language), "is empty", "every text for people is in English and Arabic")
        elif len(words) > LONGEST_TEXT:
            what = f"has {len(words)} characters, at most {LONGEST_TEXT} are taken"
            yield Complaint((*path, language), what, "shorten it")


def _place_complaints(place: tuple[float, float], path: Key) -> Iterator[Complaint]:
    latitude, longitude = place
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        cure = "write [latitude, longitude] in degrees, latitude between -90 and 90, longitude between -180 and 180"
        yield Complaint(path, f"[{latitude:g}, {longitude:g}] is no place on earth", cure)


def _duration_complaints(text: str, path: Key, *, zero: bool = False) -> Iterator[Complaint]:
    try:
        length_ns = duration_ns(text)
    except (ValueError, OverflowError):
        yield Complaint(path, f"{text!r} is no duration", "write a number and ms, s, m, h or d, for example 10s or 5m")
        return
    if length_ns >= 2**63 or (length_ns <= 0 and not zero):
        yield Complaint(path, f"{text} is {'too long' if length_ns else 'no time at all'}", "write 1ms to 36500d")


def _ns(text: str) -> int | None:
    """Give a duration in ns, None where it is none and was complained of already."""
    try:
        return duration_ns(text)
    except (ValueError, OverflowError):
        return None


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
