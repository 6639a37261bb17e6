"""/pilots, /devices: names, states, latest values, paging; health and OpenAPI."""

from __future__ import annotations

import httpx
import msgspec

from api.answers import DeviceView, Page, PilotView
from api.backend import Check, Connection
from telemetry.columns import Event
from tests.api.running import Running

S = 10**9
MINUTE = 60 * S


def device(viewer: httpx.Client, name: str) -> DeviceView:
    return msgspec.json.decode(viewer.get(f"/devices/harbour/{name}").content, type=DeviceView)


def test_states_follow_data_and_status(api: Running, viewer: httpx.Client) -> None:
    now = api.backend.clock_ns() // S * S
    api.backend.now_ns = now
    assert device(viewer, "speed_6005").state == "never_seen"
    api.run(api.backend.put(("harbour", "speed_6005", "speed"), [now - MINUTE], [42.0]))
    seen = device(viewer, "speed_6005")
    assert (seen.state, seen.latest["speed"].value, seen.latest["speed"].age_ms) == ("online", 42.0, 60_000)
    api.backend.now_ns = now + 4 * MINUTE + 1
    assert device(viewer, "speed_6005").state == "stale"
    api.backend.connections["harbour", "speed_6005"] = Connection("offline", now + 4 * MINUTE, now + 4 * MINUTE)
    assert device(viewer, "speed_6005").state == "offline"
    api.run(api.backend.put(("harbour", "speed_6005", "speed"), [now + 4 * MINUTE], [43.0]))
    assert device(viewer, "speed_6005").state == "online"


def test_a_backfill_of_last_month_makes_no_device_look_alive(api: Running, viewer: httpx.Client) -> None:
    old = api.backend.clock_ns() - 30 * 86_400 * S
    api.run(api.backend.put(("harbour", "speed_6005", "speed"), [old], [1.0]))
    assert device(viewer, "speed_6005").state == "stale"


def test_devices_that_only_report_events_live_by_when_they_were_heard(api: Running, viewer: httpx.Client) -> None:
    now = api.backend.now_ns = api.backend.clock_ns()
    api.backend.connections["harbour", "gate_1"] = Connection(last_seen_ns=now - 14 * MINUTE)
    assert device(viewer, "gate_1").state == "online"
    api.backend.connections["harbour", "gate_1"] = Connection(last_seen_ns=now - 16 * MINUTE)
    assert device(viewer, "gate_1").state == "stale"


def test_pages_hold_every_device_once(api: Running, viewer: httpx.Client) -> None:
    names: list[str] = []
    cursor: str | None = None
    while True:
        params = {"pilot": "harbour", "limit": "4"} | ({"cursor": cursor} if cursor else {})
        part = msgspec.json.decode(viewer.get("/devices", params=params).content, type=Page[DeviceView])
        assert len(part.items) <= 4
        names += [item.device for item in part.items]
        cursor = part.next
        if cursor is None:
            break
    assert names == sorted(api.backend.pilots["harbour"].devices)


def test_accepted_devices_appear_with_their_metrics(api: Running, viewer: httpx.Client) -> None:
    api.backend.accepted["harbour"] = ["visitor_1"]
    api.run(api.backend.put(("harbour", "visitor_1", "co2"), [api.backend.clock_ns()], [400.0]))
    seen = device(viewer, "visitor_1")
    assert (seen.registered, seen.kind, seen.state, seen.latest["co2"].value) == (False, None, "online", 400.0)
    assert viewer.get("/readings?pilot=harbour&device=visitor_1&metric=co2").json()["value"] == [400.0]
    assert viewer.get("/readings?pilot=harbour&device=visitor_2&metric=co2").status_code == 404


def test_pilots_tell_names_kinds_and_states(viewer: httpx.Client) -> None:
    pilots = msgspec.json.decode(viewer.get("/pilots").content, type=Page[PilotView]).items
    harbour = next(pilot for pilot in pilots if pilot.id == "harbour")
    assert (harbour.name.ar, harbour.devices, harbour.states) == ("الميناء", 6, {"never_seen": 6})
    assert harbour.kinds["traffic"].metrics["speed"].plausible_range == (0, 160)


def test_events_come_by_time_in_pages_that_lose_none_of_the_same_instant(api: Running, viewer: httpx.Client) -> None:
    times = [1, 2, 2, 2, 2, 3]
    for number, second in enumerate(times):
        body = f'{{"plate":"=A{number}"}}'
        api.run(api.backend.put_event(Event("harbour", "gate_1", second * S, second * S, "read", str(number), body)))
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"pilot": "harbour", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        part = viewer.get("/events", params=params).json()
        found += [item["key"] for item in part["items"]]
        cursor = part["next"]
        if cursor is None:
            break
    assert sorted(found) == ["0", "1", "2", "3", "4", "5"]
    assert viewer.get("/events?pilot=harbour&kind=status").json()["items"] == []
    first = viewer.get("/events?pilot=harbour&device=gate_1&from=1000&to=2000").json()["items"]
    assert [item["body"] for item in first] == [{"plate": "=A0"}]


def test_readiness_names_each_reason_and_warns_without_failing(api: Running) -> None:
    api.backend.checks = [Check("store", "warn", "away for 12 s, the journal absorbs")]
    answer = httpx.get(f"{api.url}/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "warn")
    api.backend.checks.append(Check("disk", "failed", "3 MiB free, 64 MiB needed"))
    answer = httpx.get(f"{api.url}/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failed")
    assert "3 MiB free" in answer.text
    assert httpx.get(f"{api.url}/healthz").status_code == 200


def test_openapi_resolves_and_names_every_route_of_the_contract(api: Running) -> None:
    schema = httpx.get(f"{api.url}/openapi.json").json()
    text = msgspec.json.encode(schema).decode()
    for reference in {part.split('"')[0] for part in text.split('"$ref":"#/components/schemas/')[1:]}:
        assert reference in schema["components"]["schemas"], reference
    routes = {(method.upper(), path) for path, item in schema["paths"].items() for method in item}
    versioned = {
        ("GET", "/pilots"), ("GET", "/devices"), ("GET", "/devices/{pilot}/{device}"), ("GET", "/readings"),
        ("GET", "/aggregates"), ("GET", "/events"), ("GET", "/ledger"), ("GET", "/quarantine"),
        ("GET", "/quarantine/{id}"),
        ("POST", "/quarantine/{id}/requeue"), ("DELETE", "/quarantine/{id}"), ("GET", "/export"), ("GET", "/stream"),
    }  # fmt: skip
    wanted = {(method, f"/api/v1{path}") for method, path in versioned}
    assert routes == wanted | {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
    names = [p["name"] for p in schema["paths"]["/api/v1/readings"]["get"]["parameters"]]
    assert names == ["pilot", "device", "metric", "from", "to"]


def test_documented_routes_are_the_real_ones(api: Running) -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for path in httpx.get(f"{api.url}/openapi.json").json()["paths"]:
        assert f"`{path.removeprefix('/api/v1')}" in text or f" {path.removeprefix('/api/v1')}" in text, path
