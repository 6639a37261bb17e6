"""What holds for every pilot that is found, shipped or added later: one suite, run over each."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from processing.pilot import Metric, Pilot, Text
from service.discovery import FoundPilot, find_pilots
from simulators.world import feed
from telemetry.durations import duration_ns
from telemetry.names import is_metric, is_pilot_or_device

FOUND = find_pilots()
every_pilot = pytest.mark.parametrize("found", FOUND, ids=[one.pilot.id for one in FOUND])

_ARABIC = re.compile(r"[\u0621-\u064A]")
_LATIN_SENTENCE = re.compile(r"[A-Za-z]{4,}")
_BIDI_CONTROLS = re.compile(r"[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_UCUM_TRAPS = {"°C", "C", "µg/m3", "ug/m^3", "dB", "dB[A]", "dBA", "kWh", "percent", "l/m2", "kmh", ""}


def texts_of(pilot: Pilot) -> Iterator[tuple[str, Text]]:
    """Every text for people, with the place where it stands."""
    yield "pilot.name", pilot.head.name
    for kind_name, kind in pilot.kinds.items():
        yield f"kinds.{kind_name}", kind.name
        yield from ((f"kinds.{kind_name}.{name}", metric.name) for name, metric in kind.metrics.items())
    yield from ((f"devices.{name}", device.name) for name, device in pilot.devices.items())
    for rule in pilot.alarms:
        yield f"alarms.{rule.id}", rule.name
        if rule.guidance:
            yield f"alarms.{rule.id}.guidance", rule.guidance


def metrics_of(pilot: Pilot) -> Iterator[tuple[str, Metric]]:
    """Every metric, with the place where it stands."""
    for kind_name, kind in pilot.kinds.items():
        yield from ((f"{kind_name}.{name}", metric) for name, metric in kind.metrics.items())


def test_the_three_districts_are_shipped() -> None:
    assert {"aqaba_flood", "truck_gates", "muttrah"} <= {one.pilot.id for one in FOUND}


@every_pilot
def test_names_may_stand_in_topics(found: FoundPilot) -> None:
    pilot = found.pilot
    assert is_pilot_or_device(pilot.id)
    assert [name for name in pilot.devices if not is_pilot_or_device(name)] == []
    assert [name for kind in pilot.kinds.values() for name in kind.metrics if not is_metric(name)] == []


@every_pilot
def test_every_text_is_english_and_arabic(found: FoundPilot) -> None:
    for place, text in texts_of(found.pilot):
        assert text.en.strip(), place
        assert not _ARABIC.search(text.en), (place, text.en)
        assert _ARABIC.search(text.ar), (place, text.ar)
        assert not _LATIN_SENTENCE.search(text.ar.replace("LAeq", "").replace("LAmax", "")), (place, text.ar)
        assert not _BIDI_CONTROLS.search(text.en + text.ar), place


@every_pilot
def test_device_names_tell_devices_apart(found: FoundPilot) -> None:
    devices = list(found.pilot.devices.values())
    assert len({device.name.en for device in devices}) == len(devices)
    assert len({device.name.ar for device in devices}) == len(devices)


@every_pilot
def test_every_kind_is_used_and_reports_in_time(found: FoundPilot) -> None:
    pilot = found.pilot
    assert {device.kind for device in pilot.devices.values()} == set(pilot.kinds)
    for name, kind in pilot.kinds.items():
        assert kind.metrics, name
        assert kind.stale_after_ns >= 2 * kind.interval_ns, name


@every_pilot
def test_every_metric_has_a_unit_and_sane_ranges(found: FoundPilot) -> None:
    for place, metric in metrics_of(found.pilot):
        assert metric.unit not in _UCUM_TRAPS, place
        assert metric.gross_range and metric.gross_range.fail, place
        low, high = metric.gross_range.fail
        assert low < high, place
        if metric.gross_range.suspect:
            assert low <= metric.gross_range.suspect[0] < metric.gross_range.suspect[1] <= high, place


@every_pilot
def test_places_are_in_the_district(found: FoundPilot) -> None:
    latitude, longitude = found.pilot.head.centre
    for name, device in found.pilot.devices.items():
        assert device.location is not None, name
        assert abs(device.location[0] - latitude) < 0.6, name
        assert abs(device.location[1] - longitude) < 0.6, name
    ZoneInfo(found.pilot.head.timezone)


@every_pilot
def test_alarm_rules_tell_what_to_do(found: FoundPilot) -> None:
    pilot = found.pilot
    order = ["WARNING", "MINOR", "MAJOR", "CRITICAL"]
    assert len({rule.id for rule in pilot.alarms}) == len(pilot.alarms)
    for rule in pilot.alarms:
        assert rule.metric in pilot.kinds[rule.kind].metrics, rule.id
        steps = [rule.levels[level] for level in order if level in rule.levels]
        assert all((a < b) == (rule.when == "above") for a, b in pairwise(steps)), rule.id
        assert rule.guidance is not None, rule.id
        assert duration_ns(rule.clear_after) > 0


@every_pilot
def test_the_package_opens_with_its_three_lines(found: FoundPilot) -> None:
    if found.module is None:
        assert not (found.folder / "__init__.py").exists()
        return
    text = importlib.import_module(found.module).__doc__ or ""
    assert "Does: " in text
    assert "Does not: " in text
    assert "May import: " in text
    assert (found.folder / "README.md").read_text(encoding="utf-8").startswith("# ")


@every_pilot
def test_a_simulated_hour_has_every_device_and_metric(found: FoundPilot) -> None:
    import json

    seen: set[tuple[str, str]] = set()
    for message in feed(found.pilot, seed=1, start_ms=1_772_323_200_000, duration_s=3600):
        device, channel = message.topic.split("/")[3:5]
        if channel == "telemetry":
            seen |= {(device, metric) for metric in json.loads(message.payload)["values"]}
    assert {device for device, _ in seen} == set(found.pilot.devices)
    declared = {(kind_name, m) for kind_name, kind in found.pilot.kinds.items() for m in kind.metrics}
    reported = {(found.pilot.devices[device].kind, metric) for device, metric in seen}
    assert reported == declared
