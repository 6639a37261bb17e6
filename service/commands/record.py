"""`rasad record`: what a broker carries, into a file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from service.commands.feed_options import (
    DEFAULT_URL,
    CaOption,
    MqttOption,
    PasswordOption,
    address_of,
    failed,
    say,
    seconds_of,
    stopping,
    wrong_usage_ends,
)


def record(
    out: Annotated[Path, typer.Option("--out", help="File to append to; `-` is stdout.")] = Path("-"),
    duration: Annotated[str | None, typer.Option(help="Stop after: 30s, 10m, 24h. Until SIGINT if not given.")] = None,
    mqtt: MqttOption = DEFAULT_URL,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
) -> None:
    """Write every message under city/v1/ as one JSON line, until SIGINT, SIGTERM or the duration."""
    from simulators.link import BrokerRefused
    from simulators.recorder import Recorder

    with wrong_usage_ends():
        address, duration_s = address_of(mqtt, password_file, ca_file), seconds_of("--duration", duration)
    stop = threading.Event()
    with stopping(stop):
        try:
            with _opened(out) as file, Recorder(address, file, say) as recorder:
                recorder.run(stop, duration_s)
        except BrokerRefused as error:
            raise failed(error) from None
        except OSError as error:
            raise failed(f"cannot write {out}: {error.strerror or error}") from None
    say(f"{recorder.count} messages recorded to {out}")


@contextmanager
def _opened(out: Path) -> Iterator[IO[bytes]]:
    if str(out) == "-":
        yield sys.stdout.buffer
    else:
        with out.open("ab") as file:
            yield file
