"""Who is asking and what they may do: bearer tokens, console sessions with CSRF, roles, pilots, rates."""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from api.backend import Backend
from api.limits import Buckets
from api.options import ApiOptions
from api.problems import Problem, not_found
from api.sessions import csrf_token
from processing.pilot import Pilot
from storage.tokens import Role, Token

CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller; `cookie` is the session's, None with a bearer token."""

    token: Token
    cookie: str | None
    bearer: str | None

    def require_pilot(self, pilot: str) -> None:
        """Refuse when the token is limited to other pilots; says the same whether or not the pilot exists."""
        if not self.token.sees(pilot):
            allowed = ", ".join(sorted(self.token.pilots or ()))
            raise Problem(
                403,
                "pilot-not-allowed",
                f"This token does not reach pilot {pilot[:80]!r}; it is limited to: {allowed}.",
            )


class Gate:
    """Turns a request into a caller, or refuses it. One per application."""

    def __init__(self, backend: Backend, options: ApiOptions) -> None:
        self._backend = backend
        self.cookie_name = "__Host-rasad" if options.https else "rasad_session"
        self._requests = Buckets(options.requests_per_s, options.request_burst)
        self._refusals = Buckets(options.refusals_per_s, options.refusal_burst)

    def caller(self, request: Request) -> Caller | None:
        """Find who asks, None when nobody known; the bearer token counts before the cookie."""
        now_ns = self._backend.clock_ns()
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme:
            token = self._backend.tokens.check(text.strip(), now_ns) if scheme.lower() == "bearer" else None
            return Caller(token, None, text.strip()) if token else None
        cookie = request.cookies.get(self.cookie_name, "")
        prefix = self._backend.sessions.token_prefix(cookie, now_ns) if cookie else None
        token = self._backend.tokens.find(prefix, now_ns) if prefix else None
        return Caller(token, cookie, None) if token else None

    def admit(self, request: Request) -> Caller:
        """Give the caller, or refuse: 401 nobody known, 403 forged, 429 too often."""
        caller = self.caller(request)
        if caller is None:
            raise self.refusal(request)
        self._slow_down(self._requests, caller.token.prefix, "this token")
        if caller.cookie is not None and request.method not in _SAFE_METHODS:
            check_csrf(caller.cookie, request.headers.get(CSRF_HEADER, ""))
        return caller

    def refusal(self, request: Request) -> Problem:
        """Make the answer to an unknown caller, slowing its address down."""
        self._slow_down(
            self._refusals, request.client.host if request.client else "", "refused requests of this address"
        )
        detail = (
            "No valid token came with this request: it is missing, mistyped, expired or revoked. "
            "Send 'Authorization: Bearer TOKEN', or sign in to the console at /signin."
        )
        return Problem(401, "not-authenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="rasad"'})

    def still_valid(self, caller: Caller) -> bool:
        """Tell whether a caller of a while ago would be admitted now; for streams."""
        now_ns = self._backend.clock_ns()
        if caller.bearer is not None:
            return self._backend.tokens.check(caller.bearer, now_ns) is not None
        prefix = self._backend.sessions.token_prefix(caller.cookie or "", now_ns)
        return prefix is not None and self._backend.tokens.find(prefix, now_ns) is not None

    def _slow_down(self, buckets: Buckets, key: str, whose: str) -> None:
        wait_s = math.ceil(buckets.wait_s(key, time.monotonic()))
        if wait_s:
            detail = (
                f"Too many requests: the limit for {whose} is reached. Ask again in {wait_s} s; ingest is not affected."
            )
            raise Problem(429, "too-many-requests", detail, headers={"Retry-After": str(wait_s)})


def check_csrf(cookie: str, given: str) -> None:
    """Refuse a state change that a page of ours did not make."""
    if not hmac.compare_digest(csrf_token(cookie).encode(), given.encode("utf-8", "surrogatepass")):
        detail = (
            f"A change made with the session cookie must carry the page's {CSRF_HEADER}; reload the page and try again."
        )
        raise Problem(403, "csrf", detail)


def check_origin(request: Request) -> None:
    """Refuse a form that another site sent: the browser names the origin of every POST."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
        origin is not None and origin.partition("://")[2] != request.headers.get("host")
    ):
        raise Problem(
            403, "foreign-origin", f"This form came from {str(origin)[:80]!r}; open the page of this server instead."
        )


def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


def _needs(role: Role) -> Callable[[Request], object]:
    async def admitted(request: Request) -> Caller:
        caller = _gate(request).admit(request)
        if not caller.token.may(role):
            detail = f"This needs the role {role}; the token {caller.token.prefix} has the role {caller.token.role}."
            raise Problem(403, "role-too-low", detail)
        return caller

    return admitted


async def _get_backend(request: Request) -> Backend:
    return _backend(request)


#: for OpenAPI alone; `Gate` does the checking and gives better answers
DOCUMENTED_SCHEMES: Final = [
    Depends(HTTPBearer(auto_error=False, description="A token of `rasad tokens create`")),
    Depends(APIKeyCookie(name="rasad_session", auto_error=False, description="A session of the console")),
]

BackendHere = Annotated[Backend, Depends(_get_backend)]
Viewer = Annotated[Caller, Depends(_needs("viewer"))]
Operator = Annotated[Caller, Depends(_needs("operator"))]


def pilot_here(backend: Backend, caller: Caller, pilot: str) -> Pilot:
    """Give the pilot that a request names: 403 beyond the token, 404 where there is none."""
    caller.require_pilot(pilot)
    found = backend.pilots.get(pilot)
    if found is None:
        raise not_found("pilot", pilot, list(backend.pilots))
    return found


def pilots_here(backend: Backend, caller: Caller, pilot: str | None) -> list[Pilot]:
    """Give the pilots that a list covers: the one named, else all that the caller sees."""
    if pilot is not None:
        return [pilot_here(backend, caller, pilot)]
    return [backend.pilots[name] for name in sorted(backend.pilots) if caller.token.sees(name)]
