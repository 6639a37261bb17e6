"""Who may do what: tokens, roles, pilots, sessions, CSRF, rates."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import httpx
import pytest

from api.backend import QuarantineRow
from api.options import ApiOptions
from api.sessions import SESSION_NS, SessionBook, csrf_token
from storage.tokens import FIRST_ADMIN_LABEL, TokenBook, first_admin_token
from tests.api.running import Running

S = 10**9
READS = [
    "/pilots", "/devices", "/devices?pilot=harbour", "/devices/harbour/air_souq", "/ledger", "/ledger?pilot=harbour",
    "/readings?pilot=harbour&device=air_souq&metric=pm25",
    "/aggregates?pilot=harbour&device=air_souq&metric=pm25&window=1m",
    "/events?pilot=harbour", "/quarantine", "/quarantine/1", "/quarantine?pilot=harbour", "/export?pilot=harbour",
    "/stream?pilot=harbour",
]  # fmt: skip
OF_HARBOUR = [path for path in READS if "harbour" in path or path.startswith("/quarantine/")]


def row(number: int, pilot: str | None) -> QuarantineRow:
    return QuarantineRow(number, pilot, "air_souq", "city/v1/x", "future", "5 min ahead", 1_000_000, 2, b'{"pm25":1}')


def status_of(client: httpx.Client, path: str) -> int:
    with client.stream("GET", path) as answer:
        return answer.status_code


@pytest.mark.parametrize("path", READS)
def test_nothing_is_read_without_a_valid_token(api: Running, path: str) -> None:
    url = f"{api.url}/api/v1{path}"
    good = api.token()
    almost = good[:-2] + ("x" if good[-2] != "x" else "y") + good[-1]
    for headers in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Bearer {almost}"},
        {"Authorization": f"Basic {good}"},
    ):
        answer = httpx.get(url, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert httpx.get(f"{api.url}/metrics").status_code == 401
    assert httpx.get(f"{api.url}/healthz").status_code == httpx.get(f"{api.url}/readyz").status_code == 200


@pytest.mark.parametrize("path", OF_HARBOUR)
def test_a_token_of_another_pilot_reaches_nothing_of_this_one(api: Running, path: str) -> None:
    api.call(api.backend.hold, row(1, "harbour"))
    with api.client("admin", ["district"]) as other, api.client("viewer", ["harbour"]) as own:
        assert status_of(other, path) in {403, 404}
        assert status_of(own, path) == 200


def test_lists_hold_only_what_the_token_sees(api: Running) -> None:
    for number, pilot in ((1, "harbour"), (2, "district"), (3, None)):
        api.call(api.backend.hold, row(number, pilot))
    with api.client("viewer", ["district"]) as limited, api.client("viewer") as whole:
        assert [pilot["id"] for pilot in limited.get("/pilots").json()["items"]] == ["district"]
        assert {device["pilot"] for device in limited.get("/devices").json()["items"]} == {"district"}
        assert [item["id"] for item in limited.get("/quarantine").json()["items"]] == [2]
        assert [item["id"] for item in whole.get("/quarantine").json()["items"]] == [3, 2, 1]
        assert limited.get("/quarantine/3").status_code == 404
        ledger = limited.get("/ledger").json()
        assert (ledger["quarantined"], list(ledger["by_pilot"])) == (2, ["district"])
        assert whole.get("/ledger").json()["quarantined"] == 6
        assert httpx.get(f"{api.url}/metrics", headers=limited.headers).status_code == 403
        assert "rasad_series" in httpx.get(f"{api.url}/metrics", headers=whole.headers).text


@pytest.mark.parametrize(
    ("role", "requeue", "drop"), [("viewer", 403, 403), ("operator", 202, 204), ("admin", 202, 204)]
)
def test_changes_need_an_operator(api: Running, role: str, requeue: int, drop: int) -> None:
    api.call(api.backend.hold, row(1, "harbour"))
    api.call(api.backend.hold, row(2, "harbour"))
    with api.client(role) as client:
        assert client.post("/quarantine/1/requeue").status_code == requeue
        assert client.delete("/quarantine/2").status_code == drop
        left = [item["id"] for item in client.get("/quarantine").json()["items"]]
        assert left == ([] if requeue == 202 else [2, 1])
    with api.client("operator", ["district"]) as foreign:
        assert foreign.delete("/quarantine/1").status_code == 404


def test_revoked_and_expired_tokens_stop_at_once(api: Running) -> None:
    with api.client() as client:
        assert client.get("/pilots").status_code == 200
        prefix = client.headers["authorization"].split("_")[1]
        assert api.backend.tokens.revoke(prefix)
        assert client.get("/pilots").status_code == 401
    now = api.backend.clock_ns()
    text = api.token(expires_ns=now + 60 * S)
    headers = {"Authorization": f"Bearer {text}"}
    assert httpx.get(f"{api.url}/api/v1/pilots", headers=headers).status_code == 200
    api.backend.now_ns = now + 60 * S
    assert httpx.get(f"{api.url}/api/v1/pilots", headers=headers).status_code == 401


def test_rates_answer_429_with_the_seconds_to_wait(tmp_path: Path) -> None:
    with Running(tmp_path, ApiOptions(requests_per_s=0.5, request_burst=3, refusals_per_s=0.1, refusal_burst=2)) as api:
        with api.client() as client:
            answers = [client.get("/pilots") for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert int(answers[-1].headers["retry-after"]) in {1, 2}
        refused = [httpx.get(f"{api.url}/api/v1/pilots").status_code for _ in range(3)]
        assert refused == [401, 401, 429]
        with api.client() as another:
            assert another.get("/pilots").status_code == 200


def sign_in(api: Running, **form: str) -> httpx.Client:
    browser = httpx.Client(base_url=api.url, follow_redirects=False)
    answer = browser.post("/signin", data=form)
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    return browser


def test_a_session_reads_by_cookie_and_changes_only_with_its_csrf_token(api: Running) -> None:
    api.call(api.backend.hold, row(1, "harbour"))
    browser = sign_in(api, token=api.token("operator"))
    assert browser.get("/api/v1/pilots").status_code == 200
    assert browser.get("/").status_code == 200
    assert browser.delete("/api/v1/quarantine/1").json()["type"] == "urn:rasad:problem:csrf"
    assert browser.delete("/api/v1/quarantine/1", headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    csrf = csrf_token(browser.cookies["rasad_session"])
    assert browser.delete("/api/v1/quarantine/1", headers={"X-CSRF-Token": csrf}).status_code == 204
    assert browser.post("/signout", data={"csrf": "x"}).status_code == 403
    assert browser.post("/signout", data={"csrf": csrf}).status_code == 303
    assert browser.get("/api/v1/pilots").status_code == 401
    assert browser.get("/").headers["location"] == "/signin"


def test_a_one_time_link_signs_in_once_by_post_and_for_ten_minutes(api: Running) -> None:
    now = api.backend.clock_ns()
    _, token = api.backend.tokens.create("admin", label="start", now_ns=now)
    first, late = (api.backend.sessions.one_time_code(token.prefix, now) for _ in range(2))
    for _ in range(2):
        page = httpx.get(f"{api.url}/signin", params={"once": first})
        assert page.status_code == 200
        assert "set-cookie" not in page.headers
    assert sign_in(api, once=first).get("/api/v1/pilots").status_code == 200
    assert httpx.post(f"{api.url}/signin", data={"once": first}).status_code == 401
    api.backend.now_ns = now + 600 * S
    assert httpx.post(f"{api.url}/signin", data={"once": late}).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_form_of_another_site_cannot_sign_anyone_in(api: Running, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{api.url}/signin", data={"token": api.token()}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_session_ends_with_its_token(api: Running) -> None:
    text = api.token()
    browser = sign_in(api, token=text)
    api.backend.tokens.revoke(text.split("_")[1])
    assert browser.get("/api/v1/pilots").status_code == 401


def test_behind_https_the_cookie_is_host_bound_and_secure(tmp_path: Path) -> None:
    with Running(tmp_path, ApiOptions(https=True)) as api:
        answer = httpx.post(f"{api.url}/signin", data={"token": api.token()})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-rasad=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert "max-age" in answer.headers["strict-transport-security"]


def test_the_sign_in_page_shows_a_code_as_text(api: Running) -> None:
    page = httpx.get(f"{api.url}/signin", params={"once": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


def test_only_hashes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "access.sqlite"
    tokens, sessions = TokenBook(path), SessionBook(path)
    text, token = tokens.create("viewer", label="x", now_ns=1)
    cookie = sessions.open(token.prefix, 1)
    tokens.close()
    sessions.shut()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert token.prefix.encode() in kept
    assert text.split("_", 2)[2].encode() not in kept
    assert cookie.encode() not in kept


def test_sessions_survive_a_restart_and_end_after_thirty_days(tmp_path: Path) -> None:
    before = SessionBook(tmp_path / "a.sqlite")
    cookie = before.open("abc", 0)
    before.shut()
    after = SessionBook(tmp_path / "a.sqlite")
    assert after.token_prefix(cookie, SESSION_NS - 1) == "abc"
    assert after.token_prefix(cookie, SESSION_NS) is None


def test_the_first_admin_token_is_private_whole_and_stable(tmp_path: Path) -> None:
    book, path = TokenBook(tmp_path / "access.sqlite"), tmp_path / "admin.token"
    first = first_admin_token(book, path, 1)
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first_admin_token(book, path, 2).prefix == first.prefix
    assert path.read_text() == text
    path.unlink()
    second = first_admin_token(book, path, 3)
    assert [token.prefix for token in book.list() if token.label == FIRST_ADMIN_LABEL] == [second.prefix]
    assert book.check(text.strip(), 4) is None
    assert {file.name for file in tmp_path.iterdir() if file.name.startswith(".")} == set()


def test_bad_tokens_are_refused_in_words(tmp_path: Path) -> None:
    book = TokenBook(sqlite3.connect(tmp_path / "x.sqlite"))
    with pytest.raises(ValueError, match="viewer, operator, admin"):
        book.create("root", label="x", now_ns=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expired at once"):
        book.create("viewer", label="x", now_ns=5, expires_ns=5)
    for junk in ("", "rasad", "rasad__", "_" * 500, "\ud800", "rasad_' OR 1=1_x"):
        assert book.check(junk, 0) is None
