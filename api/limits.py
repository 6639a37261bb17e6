"""Limits of requests: a token bucket per caller, and the size of a body. Neither ever touches ingest."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem

MOST_KEYS: Final = 10_000


class Buckets:
    """Token buckets by key; the longest unused are forgotten first.

    >>> buckets = Buckets(rate_per_s=1.0, burst=2)
    >>> [buckets.wait_s("a", now_s) for now_s in (0.0, 0.0, 0.0, 0.5, 1.0)]
    [0.0, 0.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, now_s: float) -> float:
        """Take one from the bucket of `key`: 0 when there was one, else how long until there is."""
        level, at_s = self._filled.pop(key, (float(self._burst), now_s))
        level = min(self._burst, level + max(0.0, now_s - at_s) * self._rate_per_s)
        wait_s = 0.0 if level >= 1 else (1 - level) / self._rate_per_s
        self._filled[key] = (level - 1 if wait_s == 0 else level, now_s)
        if len(self._filled) > MOST_KEYS:
            self._filled.popitem(last=False)
        return wait_s


class BodyLimit:
    """ASGI middleware: a body over the limit is refused by its announced length, or as soon as it has grown past it."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced[:18]) > self._most_bytes:
            await self._refusal().response(scope["path"])(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    def _refusal(self) -> Problem:
        detail = (
            f"The body is larger than {self._most_bytes} bytes, the most that any route of this API reads; send less."
        )
        return Problem(413, "body-too-large", detail, headers={"Connection": "close"})
