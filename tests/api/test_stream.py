"""/stream: live events, filters, resuming, keep-alive, slow readers, revoked tokens."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from api.live import Hub
from api.options import ApiOptions
from tests.api.running import Running
from tests.servers.process import wait_until

QUICK = ApiOptions(keep_alive_s=0.1, recheck_s=0.1, latest_every_s=0.01)


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Parse a stream as a browser does; comments come as {"comment": …}."""
    event: dict[str, Any] = {}
    for line in lines:
        if line.startswith(":"):
            yield {"comment": line[1:].strip()}
        elif line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif "data" in event:
            yield {**event, "data": json.loads(event["data"])}
            event = {}
        else:
            event = {}


def named(lines: Iterator[str], count: int) -> list[dict[str, Any]]:
    found = []
    for event in events(lines):
        if "event" in event:
            found.append(event)
        if len(found) == count:
            break
    return found


def publish(api: Running, kind: str, pilot: str, n: int) -> None:
    api.call(api.backend.hub.publish, kind, pilot, {"n": n})


def subscribed(api: Running, n: int) -> None:
    wait_until(lambda: api.backend.hub.readers == n, f"{n} readers", 10)


def test_latest_values_arrive_and_filters_hold(tmp_path: Path) -> None:
    with Running(tmp_path, QUICK) as api, api.client() as viewer:
        with viewer.stream("GET", "/stream?events=latest&pilot=harbour") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            subscribed(api, 1)
            publish(api, "window", "harbour", 1)
            publish(api, "latest", "district", 2)
            now = api.backend.clock_ns() // 10**6 * 10**6
            api.run(api.backend.put(("harbour", "air_souq", "pm25"), [now], [float("nan")], [9], [16]))
            [event] = named(answer.iter_lines(), 1)
        item = event["data"]["items"][0]
        assert (event["event"], event["data"]["pilot"]) == ("latest", "harbour")
        assert (item["device"], item["value"], item["flag"], item["reasons"]) == ("air_souq", None, 9, ["missing"])
        assert item["time_ms"] == now // 10**6
        subscribed(api, 0)


def test_a_limited_token_sees_only_its_pilots(tmp_path: Path) -> None:
    with (
        Running(tmp_path, QUICK) as api,
        api.client("viewer", ["district"]) as limited,
        limited.stream("GET", "/stream?events=window") as answer,
    ):
        subscribed(api, 1)
        publish(api, "window", "harbour", 1)
        publish(api, "window", "district", 2)
        assert [event["data"] for event in named(answer.iter_lines(), 1)] == [{"n": 2}]


def test_resuming_gives_what_was_missed_and_says_when_it_cannot(tmp_path: Path) -> None:
    with Running(tmp_path, QUICK) as api, api.client() as viewer:
        with viewer.stream("GET", "/stream?events=window") as answer:
            subscribed(api, 1)
            publish(api, "window", "harbour", 0)
            [first] = named(answer.iter_lines(), 1)
        subscribed(api, 0)
        for n in range(1, 4):
            publish(api, "window", "harbour", n)
        with viewer.stream("GET", "/stream?events=window", headers={"Last-Event-ID": first["id"]}) as answer:
            assert [event["data"]["n"] for event in named(answer.iter_lines(), 3)] == [1, 2, 3]
        for n in range(60):
            publish(api, "window", "harbour", n)
        for lost in (first["id"], "1-1", "junk", "9" * 50):
            with viewer.stream("GET", "/stream?events=window", headers={"Last-Event-ID": lost}) as answer:
                assert named(answer.iter_lines(), 1)[0]["event"] == "reset"


def test_a_quiet_stream_still_speaks(tmp_path: Path) -> None:
    assert ApiOptions().keep_alive_s + ApiOptions().recheck_s <= 15
    with Running(tmp_path, QUICK) as api, api.client() as viewer, viewer.stream("GET", "/stream") as answer:
        comments = []
        for event in events(answer.iter_lines()):
            comments += [event["comment"]] if "comment" in event else []
            if len(comments) == 3:
                break
        assert comments[1:] == ["still here", "still here"]


def test_a_revoked_token_loses_its_stream(tmp_path: Path) -> None:
    with Running(tmp_path, QUICK) as api, api.client() as viewer, viewer.stream("GET", "/stream") as answer:
        subscribed(api, 1)
        api.backend.tokens.revoke(viewer.headers["authorization"].split("_")[1])
        assert [event["event"] for event in events(answer.iter_lines()) if "event" in event] == ["ended"]
    # the stream ended by itself: iter_lines came to its end


def test_a_slow_reader_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    options = ApiOptions(keep_alive_s=0.1, recheck_s=0.1, send_timeout_s=0.3)
    with Running(tmp_path, options) as api, api.client() as viewer:
        host, port = api.url.removeprefix("http://").split(":")
        slow = socket.create_connection((host, int(port)))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bearer = viewer.headers["authorization"]
        slow.sendall(
            f"GET /api/v1/stream?events=window HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n".encode()
        )
        subscribed(api, 1)
        load = {"text": "x" * 100_000}
        for _ in range(400):
            api.call(api.backend.hub.publish, "window", "harbour", load)
        wait_until(lambda: api.backend.hub.readers == 0, "the slow reader's end", 10)
        with viewer.stream("GET", "/stream?events=window") as answer:
            subscribed(api, 1)
            publish(api, "window", "harbour", 7)
            assert named(answer.iter_lines(), 1)[0]["data"] == {"n": 7}
        slow.close()


def test_too_many_streams_and_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with Running(tmp_path, ApiOptions(streams_per_token=1)) as api, api.client() as viewer:
        with viewer.stream("GET", "/stream"):
            subscribed(api, 1)
            assert viewer.get("/stream").status_code == 429
        assert viewer.get("/stream?events=latest,nonsense").status_code == 422
        assert viewer.get("/stream?events=,").status_code == 422


def test_nothing_is_gathered_while_nobody_watches() -> None:
    hub = Hub(epoch=1)
    assert not hub.watched("latest")
    subscription, _, _ = hub.subscribe(["latest"], None, None)
    assert hub.watched("latest")
    assert not hub.watched("window")
    hub.unsubscribe(subscription)
    assert hub.watched("window"), "for a while after the last reader left, it may come back for what it missed"


def test_a_stopping_hub_lets_every_reader_go(api: Running, viewer: httpx.Client) -> None:
    with viewer.stream("GET", "/stream") as answer:
        subscribed(api, 1)
        api.call(api.backend.hub.close)
        assert [event for event in events(answer.iter_lines()) if "event" in event] == []
