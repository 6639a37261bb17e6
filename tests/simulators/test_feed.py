"""The feed: the same bytes for the same question, in order, and for any pilot."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from simulators.faults import NAMES
from simulators.load import load
from simulators.signals.catalogue import measure
from simulators.signals.generic import span
from simulators.site import Site
from simulators.world import feed, feeds
from tests.simulators.feeds import SUNDAY_MS, columns, harbour, shipped

PILOTS = ("aqaba_flood", "truck_gates", "muttrah")


@pytest.mark.parametrize("pilot", PILOTS)
@pytest.mark.parametrize("faults", [(), NAMES], ids=["sound", "every fault"])
def test_same_question_same_bytes(pilot: str, faults: tuple[str, ...]) -> None:
    first = list(feed(shipped(pilot), 5, SUNDAY_MS, 3000, faults=faults))
    again = list(feed(shipped(pilot), 5, SUNDAY_MS, 3000, faults=faults))
    assert first == again
    assert first != list(feed(shipped(pilot), 6, SUNDAY_MS, 5400, faults=faults))


@pytest.mark.parametrize("faults", [(), NAMES], ids=["sound", "every fault"])
def test_messages_of_all_pilots_come_in_order_of_time(faults: tuple[str, ...]) -> None:
    times = [m.at_ms for m in feeds(map(shipped, PILOTS), 5, SUNDAY_MS, 7200, faults=faults)]
    assert len(times) > 1000
    assert times == sorted(times)


def test_a_sensor_measures_the_same_whenever_the_feed_began() -> None:
    """Later start, shorter feed, other stretches: each reading that both feeds have is the same."""
    early = columns(list(feed(shipped("truck_gates"), 5, SUNDAY_MS, 7200)))
    late = columns(list(feed(shipped("truck_gates"), 5, SUNDAY_MS + 2_345_678, 4000)))
    compared = 0
    for series, rows in late.items():
        known = dict(early[series].tolist())
        both = [(ts, value) for ts, value in rows.tolist() if ts in known]
        compared += len(both)
        assert [value for _, value in both] == [known[ts] for ts, _ in both], series
    assert compared > 5_000


def test_measuring_one_by_one_is_measuring_all_at_once() -> None:
    for pilot in PILOTS:
        for sensor in Site(shipped(pilot), 5).sensors:
            ms = SUNDAY_MS + np.arange(0, 3 * 86_400_000, 7_777_777)
            together = measure(sensor, ms)
            alone = [measure(sensor, ms[i : i + 1]) for i in range(len(ms))]
            for name, column in together.items():
                np.testing.assert_array_equal(column, np.concatenate([one[name] for one in alone]), err_msg=name)


def test_each_device_says_online_first_and_counts_its_messages() -> None:
    messages = list(feed(shipped("muttrah"), 5, SUNDAY_MS, 3600))
    opening = messages[: len(shipped("muttrah").devices)]
    assert {m.topic for m in opening} == {f"city/v1/muttrah/{name}/status" for name in shipped("muttrah").devices}
    assert {(m.payload, m.retain, m.at_ms) for m in opening} == {(b"online", True, SUNDAY_MS)}
    of_one = [json.loads(m.payload)["seq"] for m in messages if m.topic.endswith("/aq-souq/telemetry")]
    assert of_one == list(range(len(of_one)))
    assert len(of_one) in (60, 61)


def test_a_device_reports_soon_after_its_start_however_long_its_interval() -> None:
    first = {m.topic: m.at_ms for m in reversed(list(feed(shipped("muttrah"), 5, SUNDAY_MS, 10)))}
    reported = {topic.split("/")[3] for topic in first if topic.endswith("telemetry")}
    assert reported == set(shipped("muttrah").devices)


def test_a_pilot_that_is_only_a_file_has_signals_inside_its_ranges() -> None:
    rows = columns(list(feed(harbour(), 5, SUNDAY_MS, 86_400)))
    assert set(rows) == {("speed_6005", "speed"), ("speed_6005", "headway"), ("yard_a", "inside")}
    low, high = span(harbour().kinds["traffic"].metrics["speed"])
    speed = rows["speed_6005", "speed"]
    assert 0 < low <= speed[:, 1].min() < speed[:, 1].max() <= high < 40
    assert len(speed) == 8640 or len(speed) == 8641
    assert np.unique(speed[:, 1]).size > 500


def test_devices_limits_and_multiplies() -> None:
    few = {m.topic.split("/")[3] for m in feed(shipped("muttrah"), 5, SUNDAY_MS, 60, devices=3)}
    assert few == {"aq-corniche", "aq-souq", "noise-corniche"}
    many = {m.topic.split("/")[3] for m in feed(harbour(), 5, SUNDAY_MS, 60, devices=5)}
    assert many == {"speed_6005", "yard_a", "speed_6005-x2", "yard_a-x2", "speed_6005-x3"}


def test_an_endless_feed_goes_on_over_days() -> None:
    messages = list(itertools.islice(feed(harbour(), 5, SUNDAY_MS), 22_000))
    assert messages[-1].at_ms - SUNDAY_MS > 2 * 86_400_000


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"faults": ["spike", "gremlin"]}, "unknown fault gremlin; there are dropout"),
        ({"duration_s": 0}, "a duration of 0 s"),
        ({"devices": 0}, "0 devices can send nothing"),
    ],
)
def test_wrong_questions_are_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(feed(harbour(), 5, SUNDAY_MS, **({"duration_s": 10} | asked)))  # type: ignore[arg-type]


def test_load_keeps_its_rate_over_devices_in_turn() -> None:
    messages = list(load([harbour(), shipped("muttrah")], 5, SUNDAY_MS, 2.0, rate=4000))
    assert len(messages) == 8000
    assert (messages[0].at_ms, messages[-1].at_ms) == (SUNDAY_MS, SUNDAY_MS + 1999)
    devices = [m.topic for m in messages[:37]]
    assert len(set(devices)) == 37
    assert [m.topic for m in messages[37:74]] == devices
    of_one = [json.loads(m.payload) for m in messages if m.topic == devices[0]]
    assert [one["seq"] for one in of_one] == list(range(len(of_one)))
    assert len({one["ts"] for one in of_one}) == len(of_one)
    assert messages == list(load([harbour(), shipped("muttrah")], 5, SUNDAY_MS, 2.0, rate=4000))


def test_load_of_one_device_never_repeats_a_time() -> None:
    messages = list(load([harbour()], 5, SUNDAY_MS, 0.5, devices=1, rate=9000))
    times = [json.loads(m.payload)["ts"] for m in messages]
    assert len(set(times)) == len(times) == 4500
