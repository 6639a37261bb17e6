"""Errors as RFC 9457 problem documents: `detail` says what failed, with the numbers, and the cure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.errors import RangeTooLarge, StoreAway, StoreRefused

MEDIA_TYPE: Final = "application/problem+json"


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `type` names the class of problem; `errors` lists each refused parameter."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]] = []


class Problem(Exception):
    """A refusal with everything that its document needs. `slug` is the last part of `type`."""

    def __init__(
        self, status: int, slug: str, detail: str, *, headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors or []

    def response(self, path: str) -> Response:
        """Make the answer."""
        document = ProblemDocument(
            f"urn:rasad:problem:{self.slug}",
            HTTPStatus(self.status).phrase,
            self.status,
            self.detail,
            path,
            self.errors,
        )
        return Response(
            msgspec.json.encode(document), self.status, {"Cache-Control": "no-store"} | self.headers, MEDIA_TYPE
        )


def not_found(what: str, name: str, there: list[str]) -> Problem:
    """Say that something does not exist, and what does."""
    listed = ", ".join(sorted(there)[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    return Problem(404, f"unknown-{what}", f"There is no {what} {name[:80]!r}. There is: {listed or 'none yet'}.")


def _of_http(request: Request, error: HTTPException) -> Problem:
    path, headers = request.url.path, dict(error.headers or {})
    if error.status_code == 404:
        return Problem(404, "no-such-route", f"Nothing is served at {path[:200]!r}; /openapi.json lists every route.")
    if error.status_code == 405:
        allowed = headers.get("Allow", headers.get("allow", ""))
        detail = f"{request.method} is not possible at {path[:200]!r}; allowed: {allowed or 'see /openapi.json'}."
        return Problem(405, "method-not-allowed", detail, headers=headers)
    return Problem(error.status_code, "refused", str(error.detail), headers=headers)


def _of_validation(error: RequestValidationError) -> Problem:
    errors = [_one_error(e) for e in error.errors()]
    return Problem(422, "invalid-request", "; ".join(f"{e['where']}: {e['what']}" for e in errors) + ".", errors=errors)


def _one_error(error: Mapping[str, Any]) -> dict[str, str]:
    place, *names = (str(part) for part in error["loc"])
    what = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if isinstance(given, str) and error["type"] != "value_error":
        what += f" (given: {given[:64]!r})"
    return {"where": f"{place} parameter {'.'.join(names)}" if names else place, "what": what}


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _of_http(request, error).response(request.url.path)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _of_validation(error).response(request.url.path)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.url.path)


async def _too_large(request: Request, error: Exception) -> Response:
    return Problem(413, "range-too-large", str(error)).response(request.url.path)


async def _store_away(request: Request, error: Exception) -> Response:
    detail = (
        f"The store does not answer: {error}. Nothing is lost, ingest keeps what comes; ask again in a few seconds."
    )
    return Problem(503, "store-away", detail, headers={"Retry-After": "5"}).response(request.url.path)


async def _store_refused(request: Request, error: Exception) -> Response:
    return Problem(502, "store-refused", f"The store refuses this query: {error}.").response(request.url.path)


class Unexpected:
    """ASGI middleware: an error that nobody foresaw becomes a problem document, then goes on to the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if scope["type"] == "http" and not begun:
                what = type(error).__name__
                detail = f"An error inside Rasad ({what}) stopped this answer; the service's log has the trace."
                await Problem(500, "internal-error", detail).response(scope["path"])(scope, receive, send)
            raise


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RangeTooLarge, _too_large)
    app.add_exception_handler(StoreAway, _store_away)
    app.add_exception_handler(StoreRefused, _store_refused)
    app.add_middleware(Unexpected)
