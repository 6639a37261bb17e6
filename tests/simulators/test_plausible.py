"""Fault-free signals are what the domain would expect: inside their ranges, with a day, a Friday and a night."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from simulators.device import Device
from simulators.signals.catalogue import measure
from simulators.signals.storms import storms_between
from simulators.signals.trucks import truck_day
from simulators.site import Site
from tests.simulators.feeds import SUNDAY_MS, between, day_columns, events, one_day, shipped

PILOTS = ("aqaba_flood", "truck_gates", "muttrah")
MUSCAT, AMMAN = 4.0, 3.0
DAY_MS = 86_400_000


@pytest.mark.parametrize("pilot", PILOTS)
@pytest.mark.parametrize("season", [0, 120, 240], ids=["March", "June", "October"])
def test_every_value_is_inside_its_usual_range(pilot: str, season: int) -> None:
    declared = shipped(pilot)
    for (device, metric), rows in day_columns(pilot, start_ms=SUNDAY_MS + season * DAY_MS).items():
        limits = declared.kinds[declared.devices[device].kind].metrics[metric].gross_range
        assert limits and limits.fail
        low, high = limits.suspect or limits.fail
        assert low <= rows[:, 1].min() <= rows[:, 1].max() <= high, (device, metric, rows[:, 1].min(), rows[:, 1].max())


def test_traffic_has_rush_hours_and_nights() -> None:
    rows = day_columns("muttrah")
    vehicles, speed = rows["traffic-corniche", "vehicles"], rows["traffic-corniche", "speed"]
    assert between(vehicles, 12, 13, MUSCAT).mean() > 2 * between(vehicles, 3, 4, MUSCAT).mean()
    assert between(vehicles, 7, 8, MUSCAT).mean() > 1.3 * between(vehicles, 10, 11, MUSCAT).mean()
    assert between(speed, 18, 19, MUSCAT).mean() < between(speed, 3, 4, MUSCAT).mean() - 8
    no2 = rows["aq-corniche", "no2"]
    assert between(no2, 7, 9, MUSCAT).mean() > 1.5 * between(no2, 2, 4, MUSCAT).mean()


def test_the_souq_fills_in_the_evening_and_is_quiet_on_friday_morning() -> None:
    week = day_columns("muttrah", days=7)
    people, cars = week["crowd-souq", "people"], week["parking-souq", "occupied"]
    assert between(people, 19, 21, MUSCAT).mean() > 5 * between(people, 3, 5, MUSCAT).mean()
    day = (people[:, 0] - SUNDAY_MS) // DAY_MS
    assert between(people[day == 5], 10, 11, MUSCAT).mean() < 0.6 * between(people[day == 3], 10, 11, MUSCAT).mean()
    assert between(cars, 19, 21, MUSCAT).mean() > 3 * between(cars, 3, 5, MUSCAT).mean()
    total, broken = week["parking-souq", "total"], week["parking-souq", "out_of_service"]
    assert (cars[:, 1] + broken[:, 1] <= total[:, 1]).all()


def test_noise_is_louder_by_day_and_its_peak_above_its_mean() -> None:
    rows = day_columns("muttrah")
    laeq, lamax = rows["noise-corniche", "laeq"], rows["noise-corniche", "lamax"]
    assert between(laeq, 17, 20, MUSCAT).mean() > between(laeq, 1, 4, MUSCAT).mean() + 5
    assert (lamax[:, 1] > laeq[:, 1]).all()


def test_wind_direction_goes_round_north() -> None:
    direction = day_columns("muttrah", days=7)["weather-port", "wind_direction"][:, 1]
    assert direction.min() >= 0
    assert direction.max() < 360
    assert (np.abs(np.diff(direction)) > 180).any()


def test_street_lights_burn_by_night_and_their_meters_count_up() -> None:
    rows = day_columns("muttrah")
    lit, power, energy = (rows["light-01", metric] for metric in ("on", "power", "energy"))
    assert (between(lit, 19.5, 24, MUSCAT) == 1).all()
    assert (between(lit, 9, 16, MUSCAT) == 0).all()
    assert between(power, 9, 16, MUSCAT).max() < 1
    assert between(power, 20, 22, MUSCAT).min() > 80
    assert (np.diff(energy[:, 1]) >= 0).all()
    hours = np.diff(power[:, 0]) / 3_600_000
    burnt_kwh = (power[1:, 1] * hours).sum() / 1000
    assert energy[-1, 1] - energy[0, 1] == pytest.approx(burnt_kwh, rel=0.05)


def test_water_meters_never_go_back_and_use_what_is_usual() -> None:
    week = day_columns("muttrah", days=7)
    for device, usual in (("water-01", 18.0), ("water-05", 22.0)):
        volume = week[device, "volume"]
        assert (np.diff(volume[:, 1]) >= 0).all()
        assert volume[-1, 1] - volume[0, 1] == pytest.approx(7 * usual, rel=0.2)


def test_bins_fill_slowly_and_are_emptied_at_once() -> None:
    week = day_columns("muttrah", days=7)
    for number in range(1, 11):
        distance = week[f"bin-{number:02d}", "distance"][:, 1]
        steps = np.diff(distance)
        assert (steps > 300).sum() >= 4, "emptied most mornings"
        assert steps.min() > -120, "never fills at a stroke"


def test_rain_counters_only_go_back_at_a_restart_and_tips_are_sent_at_once() -> None:
    site = Site(shipped("aqaba_flood"), 11)
    first_day = SUNDAY_MS // DAY_MS
    storm = next(s for s in storms_between(site, first_day, first_day + 200) if s.depth_mm > 12)
    start = storm.start_ms - storm.start_ms % DAY_MS
    rows = day_columns("aqaba_flood", start_ms=start, days=2)
    tips = rows["rain-yutum-2", "tips"]
    assert (np.diff(tips[:, 1]) >= 0).all()
    assert tips[-1, 1] - tips[0, 1] >= 5
    rising = np.flatnonzero(np.diff(tips[:, 1]) > 0)
    assert (np.diff(tips[:, 1])[rising] == 1).all(), "each tip is a report of its own"
    assert len(tips) > 2 * 1440


def test_a_restart_starts_the_counter_anew_and_says_so_once() -> None:
    back = 0
    for sensor in [s for s in Site(shipped("aqaba_flood"), 11).sensors if s.kind == "rain_gauge"]:
        reports = Device(sensor, SUNDAY_MS, frozenset()).report_times_ms(SUNDAY_MS, SUNDAY_MS + 60 * DAY_MS)
        measured = measure(sensor, reports)
        tips, boot = measured["tips"], measured["boot"]
        fell = np.flatnonzero(np.diff(tips) < 0) + 1
        assert (boot[fell] == 1).all()
        assert (tips[boot == 1] == 0).all()
        assert boot.sum() >= 1
        back += len(fell)
    assert back >= 1


def test_wadis_are_dry_but_for_a_flood_after_a_storm() -> None:
    ms = SUNDAY_MS + np.arange(0, 60 * DAY_MS, 60_000)
    site = Site(shipped("aqaba_flood"), 11)
    upper, bridge = (measure(site.sensor(name), ms)["stage"] for name in ("stage-yutum-upper", "stage-yutum-bridge"))
    assert (upper < 0.05).mean() > 0.9
    assert upper.max() > 0.3
    assert bridge.argmax() > upper.argmax(), "the wave reaches the bridge later"
    coast = measure(site.sensor("stage-coast-2"), ms)
    np.testing.assert_allclose(coast["distance"], 4500 - 1000 * coast["stage"], atol=1.1)


def test_a_day_of_trucks_has_a_shape_and_a_friday() -> None:
    site, first = Site(shipped("truck_gates"), 11), SUNDAY_MS // DAY_MS
    arrivals = np.concatenate([truck_day(site, first + day).gate_in for day in range(7)])
    hour = (arrivals / 3_600_000 + AMMAN) % 24
    assert ((hour >= 9) & (hour < 12)).sum() > 2 * ((hour >= 0) & (hour < 3)).sum()
    by_day = Counter(((arrivals + AMMAN * 3_600_000) // DAY_MS).astype(int).tolist())
    friday = next(day for day in by_day if (day + 3) % 7 == 4)
    assert by_day[friday] < 0.75 * by_day[friday - 1]


def test_every_passage_is_a_complete_chain_of_unique_events() -> None:
    day = events(one_day("truck_gates"))
    assert len({e["id"] for _, e in day}) == len(day) > 10_000
    assert {e["type"] for _, e in day} == {
        "preadvise", "queue_join", "call_forward", "service_start", "anpr", "rfid", "weigh", "loop", "barrier",
        "doc_check", "gate_in", "gate_out",
    }  # fmt: skip
    for lane in ("in1", "out3"):
        steps = [e for name, e in day if name == lane and e["type"] in ("loop", "barrier", "gate_in", "gate_out")]
        at = next(i for i, e in enumerate(steps) if e["type"] == "barrier" and e["edge"] == "rise")
        cycle = [(e["type"], e.get("loop"), e.get("edge")) for e in sorted(steps, key=lambda e: e["ts"])[at : at + 6]]
        passed = "gate_in" if lane == "in1" else "gate_out"
        assert cycle == [
            ("barrier", None, "rise"), ("loop", "entry", "fall"), ("loop", "exit", "rise"), ("loop", "exit", "fall"),
            (passed, None, None), ("barrier", None, "fall"),
        ]  # fmt: skip


def test_a_truck_leaves_after_it_came_and_is_never_inside_twice() -> None:
    inside: dict[str, int] = {}
    stays = defaultdict(list)
    passages = [e for _, e in events(one_day("truck_gates", days=3)) if e["type"] in ("gate_in", "gate_out")]
    for event in sorted(passages, key=lambda e: e["ts"]):
        if event["type"] == "gate_in":
            assert event["plate"] not in inside
            inside[event["plate"]] = event["ts"]
        elif event["plate"] in inside:
            stays[event["plate"]].append((event["ts"] - inside.pop(event["plate"])) / 60_000)
    minutes = np.array(list(itertools.chain(*stays.values())))
    assert len(minutes) > 1500
    assert minutes.min() > 15
    assert 60 < np.median(minutes) < 180


def test_gate_counters_agree_with_the_events_and_the_yards_with_their_capacity() -> None:
    messages = one_day("truck_gates")
    rows = day_columns("truck_gates")
    counter = rows["port-main", "counter_in"]
    came = np.array([e["ts"] for _, e in events(messages) if e["type"] == "gate_in"])
    counted = ((came > counter[0, 0]) & (came <= counter[-1, 0])).sum()
    assert counter[-1, 1] - counter[0, 1] == counted > 500
    assert (np.diff(counter[:, 1]) >= 0).all()
    for yard in ("yard1", "yard4", "yard9"):
        assert 0 < rows[yard, "occupancy"][:, 1].max() <= 110
    staging = measure(
        Site(shipped("truck_gates"), 11).sensor("rashidiya"), SUNDAY_MS + np.arange(0, 7 * DAY_MS, 60_000)
    )
    assert staging["inside"].max() > 5, "the morning peak waits in the staging area"


def test_a_lane_serves_one_truck_at_a_time() -> None:
    day = truck_day(Site(shipped("truck_gates"), 11), 20_513)
    for lane in ("in1", "in4"):
        mine = day.entry_lane == lane
        begin, end = np.sort(day.service[mine]), np.sort(day.gate_in[mine])
        assert (begin[1:] >= end[:-1]).all()
    assert (day.join <= day.called).all()
    assert (day.called <= day.service).all()
    assert (day.service < day.gate_in).all()
    assert (day.gate_in < day.at_exit).all()
    assert (day.at_exit <= day.exit_service).all()
