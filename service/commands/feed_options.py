"""What `simulate`, `record` and `replay` share: the broker, times as people write them, and the way to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from simulators.broker import DEFAULT_URL, BrokerAddress, broker_address
from telemetry.durations import duration_ns
from telemetry.errors import SettingsError

MqttOption = Annotated[str, typer.Option("--mqtt", help="Broker: mqtt://USER:PASSWORD@HOST:PORT, or mqtts:// for TLS.")]
PasswordOption = Annotated[Path | None, typer.Option(help="File whose first line is the broker's password.")]
CaOption = Annotated[
    Path | None, typer.Option(help="Certificates to trust with mqtts://; the system's when not given.")
]

__all__ = ["DEFAULT_URL", "CaOption", "MqttOption", "PasswordOption"]


@contextmanager
def wrong_usage_ends() -> Iterator[None]:
    """End with exit code 2 and the text of whatever is wrong with options, settings or files named by them."""
    try:
        yield
    except (ValueError, OSError, SettingsError) as error:
        typer.echo(f"rasad: {error}", err=True)
        raise typer.Exit(2) from None


def failed(error: object) -> typer.Exit:
    """Say what failed; raise the result to end with exit code 1."""
    typer.echo(f"rasad: {error}", err=True)
    return typer.Exit(1)


def say(text: str) -> None:
    """Tell the person at the screen, on stderr, so that stdout stays for data."""
    typer.echo(text, err=True)


def address_of(url: str, password_file: Path | None, ca_file: Path | None) -> BrokerAddress:
    """The broker of the options; ValueError or OSError when they are wrong."""
    if ca_file is not None and not ca_file.is_file():
        raise ValueError(f"--ca-file {ca_file} is no file; name a file of PEM certificates")
    return broker_address(url, password_file, ca_file)


def seconds_of(option: str, text: str | None) -> float | None:
    """Read a duration such as `30s` or `24h`; plain digits are seconds.

    >>> seconds_of("--duration", "2m"), seconds_of("--duration", "90"), seconds_of("--duration", None)
    (120.0, 90.0, None)
    """
    if text is None:
        return None
    try:
        seconds = duration_ns(f"{text}s" if text.isascii() and text.replace(".", "", 1).isdigit() else text) / 1e9
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    if seconds <= 0:
        raise ValueError(f"{option} {text} is no stretch of time; give more than 0 s")
    return seconds


def instant_ms(option: str, text: str | None) -> int | None:
    """Read an instant: ms since 1970, or RFC 3339 with an offset.

    >>> instant_ms("--start", "2026-03-01T12:00:00+04:00"), instant_ms("--start", "1772352000000")
    (1772352000000, 1772352000000)
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 15:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        wanted = "write ms since 1970 or a time with its offset, such as 2026-03-01T12:00:00+04:00"
        raise ValueError(f"{option} {text!r} is no instant; {wanted}")
    return round(at.astimezone(UTC).timestamp() * 1000)


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT while the block runs."""

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
