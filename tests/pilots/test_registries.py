"""What the domain pages say that each shipped site has."""

from __future__ import annotations

from service.discovery import find_pilots

PILOTS = {one.pilot.id: one.pilot for one in find_pilots()}


def devices_of_kind(pilot: str, kind: str) -> set[str]:
    """Names of the devices of one kind."""
    return {name for name, device in PILOTS[pilot].devices.items() if device.kind == kind}


def test_flood_has_its_gauges_reporting_once_a_minute() -> None:
    rain = {"rain-quweira", "rain-disi", "rain-yutum-1", "rain-yutum-2", "rain-yutum-3", "rain-aqaba"}
    stage = {"stage-yutum-upper", "stage-yutum-mid", "stage-yutum-bridge", "stage-coast-2", "stage-coast-5"}
    assert devices_of_kind("aqaba_flood", "rain_gauge") == rain
    assert devices_of_kind("aqaba_flood", "stage_gauge") == stage
    kinds = PILOTS["aqaba_flood"].kinds
    assert {kinds[kind].interval_ns for kind in ("rain_gauge", "stage_gauge")} == {60 * 10**9}
    assert set(kinds["rain_gauge"].metrics) == {"tips", "boot", "battery_v"}


def test_flood_stage_has_the_reference_quality_settings() -> None:
    kind = PILOTS["aqaba_flood"].kinds["stage_gauge"]
    stage = kind.metrics["stage"]
    assert stage.gross_range and stage.spike and stage.rate_of_change and stage.flat_line
    assert (stage.gross_range.fail, stage.gross_range.suspect) == ((-0.1, 6.0), (-0.02, 4.0))
    assert (stage.spike.suspect, stage.spike.fail) == (0.3, 1.0)
    assert (stage.rate_of_change.suspect, stage.rate_of_change.fail) == (0.25 / 60, None)
    assert (stage.flat_line.tolerance, stage.flat_line.only_above) == (0.003, 0.05)
    assert kind.stale_after_ns == 300 * 10**9
    (rule,) = [rule for rule in PILOTS["aqaba_flood"].alarms if rule.metric == "stage"]
    assert rule.levels == {"WARNING": 0.10, "MINOR": 0.30, "MAJOR": 0.60, "CRITICAL": 1.20}
    assert (rule.confirm, rule.hysteresis, rule.clear_after) == (2, 0.05, "30m")


def test_gates_have_lanes_yards_and_staging() -> None:
    assert devices_of_kind("truck_gates", "gate") == {"port-main"}
    assert devices_of_kind("truck_gates", "lane") == {f"{way}{n}" for way in ("in", "out") for n in range(1, 5)}
    assert devices_of_kind("truck_gates", "yard") == {"yard1", "yard4", "yard9", "rashidiya"}
    assert PILOTS["truck_gates"].devices["yard4"].properties["capacity"] == 64


def test_muttrah_has_its_devices_and_units() -> None:
    listed = {
        "aq-corniche", "aq-souq", "noise-corniche", "noise-souq", "weather-port", "parking-souq", "parking-port",
        "crowd-corniche", "crowd-souq", "traffic-corniche",
    }  # fmt: skip
    assert listed <= set(PILOTS["muttrah"].devices)
    counts = {kind: len(devices_of_kind("muttrah", kind)) for kind in ("street_light", "waste_bin", "water_meter")}
    assert counts == {"street_light": 10, "waste_bin": 10, "water_meter": 5}
    kinds = PILOTS["muttrah"].kinds
    units = {(kind, name): metric.unit for kind, k in kinds.items() for name, metric in k.metrics.items()}
    assert {units["air_quality", gas] for gas in ("pm25", "pm10", "no2", "so2", "o3", "co")} == {"ug/m3"}
    assert units["noise", "laeq"] == units["noise", "lamax"] == "dB[SPL]"
    assert (units["weather", "rain"], units["street_light", "energy"], units["water_meter", "volume"]) == (
        "L/m2", "kW.h", "m3",
    )  # fmt: skip
    assert kinds["air_quality"].interval_ns == 60 * 10**9
    assert all("area_m2" in PILOTS["muttrah"].devices[name].properties for name in devices_of_kind("muttrah", "crowd"))
