"""Bad input: each is refused with a problem document that says what failed and the cure; nothing is a 500."""

from __future__ import annotations

import httpx
import pytest

from api.problems import ProblemDocument
from tests.api.running import Running

SERIES = "/readings?pilot=harbour&device=air_souq&metric=pm25"


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body) <= set(ProblemDocument.__struct_fields__)
    assert body["status"] == status
    return str(body["detail"])


@pytest.mark.parametrize(
    "bad",
    [
        "NaN", "Infinity", "-Infinity", "1e400", "1e3", "9" * 400, "0x10", "", " ", "1737963587742.1234567890",
        "2026-01-27T07:39:47", "2026-01-27", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59Z", "2026-01-27T07:39:47%2B99:99", "%00", "null", "[]", "١e٣", "999999999999999",
    ],
)  # fmt: skip
def test_bad_times_are_422(viewer: httpx.Client, bad: str) -> None:
    assert (
        "time" in problem(viewer.get(f"{SERIES}&from={bad}"), 422) or "years" in viewer.get(f"{SERIES}&from={bad}").text
    )


@pytest.mark.parametrize("bad", ["0", "-1", "1001", "NaN", "1e400", "9" * 5000, "1.5", "", "true"])
def test_bad_limits_are_422(viewer: httpx.Client, bad: str) -> None:
    assert "limit" in problem(viewer.get(f"/devices?limit={bad}"), 422)


@pytest.mark.parametrize("path", ["/devices", "/quarantine", "/events?pilot=harbour"])
@pytest.mark.parametrize("cursor", ["x", "-1", "1e9", "9" * 60, "٣", "1.x"])
def test_bad_cursors_are_422(viewer: httpx.Client, path: str, cursor: str) -> None:
    joint = "&" if "?" in path else "?"
    assert "cursor" in problem(viewer.get(f"{path}{joint}cursor={cursor}"), 422)


def test_repeated_and_unknown_parameters_are_422(viewer: httpx.Client) -> None:
    assert "2 times" in problem(viewer.get("/devices?pilot=harbour&pilot=district"), 422)
    assert "it takes: pilot, device, metric" in problem(viewer.get(f"{SERIES}&form=1"), 422)


def test_a_reversed_range_says_by_how_much(viewer: httpx.Client) -> None:
    assert "ends 2 s before" in problem(viewer.get(f"{SERIES}&from=3000&to=1000"), 422)


def test_routes_and_methods_that_are_not_there(api: Running, viewer: httpx.Client) -> None:
    assert "/openapi.json" in problem(viewer.get("/nothing"), 404)
    answer = viewer.post("/pilots")
    assert "allowed: GET" in problem(answer, 405)
    assert answer.headers["allow"] == "GET"
    problem(httpx.get(f"{api.url}/api/v2/pilots"), 404)
    problem(httpx.get(f"{api.url}/static/../../auth.py"), 404)
    problem(httpx.get(f"{api.url}/static/%2e%2e/pages.py"), 404)


@pytest.mark.parametrize("row", ["abc", "-1", "99999999999999999999999", "1.5", "NaN"])
def test_bad_quarantine_ids(api: Running, row: str) -> None:
    with api.client("operator") as operator:
        for answer in (operator.get(f"/quarantine/{row}"), operator.post(f"/quarantine/{row}/requeue")):
            problem(answer, 422)


def test_long_bodies_are_refused_announced_or_not(api: Running) -> None:
    def endless() -> object:
        for _ in range(200):
            yield b"x" * 1024

    problem(httpx.post(f"{api.url}/signin", content=b"x" * 100_000), 413)
    problem(httpx.post(f"{api.url}/signin", content=endless()), 413)  # type: ignore[arg-type]
    problem(httpx.post(f"{api.url}/signin", content=b"\xff\xfe=1"), 422)


def test_an_error_inside_is_a_document_without_a_trace(api: Running, viewer: httpx.Client) -> None:
    api.backend.pilots = None  # type: ignore[assignment]
    answer = viewer.get("/pilots")
    assert "TypeError" in problem(answer, 500)
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_answer_has_the_security_headers(api: Running, viewer: httpx.Client) -> None:
    for answer in (viewer.get("/pilots"), viewer.get("/nothing"), httpx.get(f"{api.url}/signin")):
        assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
