"""The process that works on a data directory, asked over its HTTP API with the admin token that lies there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service import endpoints
from service.data_lock import holder_of
from service.endpoints import Endpoints
from telemetry.errors import Mistake, RasadError, SettingsError


def running_on(data: Path) -> Endpoints | None:
    """Give the worker process that holds the directory, None when nobody does; RasadError when it says nothing."""
    if holder_of(data) is None:
        return None
    found = endpoints.read(data, "up")
    if found is None:
        raise RasadError(f"a process holds {data} and does not say where it can be reached; is it just starting?")
    return found


def api_of(data: Path) -> Endpoints | None:
    """Give the process that serves the API of a directory: the worker itself, or `rasad api` beside it."""
    worker = running_on(data)
    if worker is not None and worker.http is not None:
        return worker
    beside = endpoints.read(data, "api")
    return beside if beside is not None and _lives(beside.pid) else None


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class Api:
    """Requests to the API; a refusal is a RasadError, or a `SettingsError` where what was asked cannot be."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **query: Any) -> Any:
        """Get JSON."""
        return self._ask("GET", path, query).json()

    def post(self, path: str) -> None:
        """Ask for a change."""
        self._ask("POST", path, {})

    def delete(self, path: str) -> None:
        """Delete something."""
        self._ask("DELETE", path, {})

    def _ask(self, method: str, path: str, query: dict[str, Any]) -> httpx.Response:
        try:
            answer = self._client.request(method, path, params=_given(query))
        except httpx.TransportError as error:
            raise RasadError(f"{self._client.base_url} does not answer: {error}") from None
        _check(answer)
        return answer

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """Get a body in parts."""
        try:
            with self._client.stream("GET", path, params=_given(query)) as answer:
                if answer.is_error:
                    answer.read()
                _check(answer)
                yield from answer.iter_bytes()
        except httpx.TransportError as error:
            raise RasadError(f"{self._client.base_url} broke off: {error}") from None


@contextmanager
def api_client(data: Path, at: Endpoints) -> Iterator[Api]:
    """Open a client for the API of `at` with the token in the data directory."""
    try:
        token = (data / "admin.token").read_text("ascii").strip()
    except OSError as error:
        raise RasadError(
            f"{data / 'admin.token'} cannot be read: {error.strerror}; run as the user of the service"
        ) from None
    with httpx.Client(
        base_url=f"{at.http}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60.0, verify=trust(at)
    ) as client:
        yield Api(client)


def trust(at: Endpoints) -> ssl.SSLContext | bool:
    """Trust just the certificate that the process serves; its name may be another than that of the loopback."""
    if at.certificate is None:
        return True
    context = ssl.create_default_context(cafile=at.certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _check(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:300]
    if answer.status_code in (404, 413, 422):
        raise SettingsError([Mistake("command line", 0, answer.url.path, detail.rstrip("."), "")])
    raise RasadError(f"the API answers {answer.status_code}: {detail}")
