"""Where a broker is and how to be let in: the URL of `--mqtt`, with the password in it or in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

DEFAULT_URL: Final = "mqtt://127.0.0.1:1883"
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class BrokerAddress:
    """A broker's host and port, whether by TLS, and the credentials; the password never shows in `str`."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def broker_address(url: str, password_file: Path | None = None, ca_file: Path | None = None) -> BrokerAddress:
    """Read `mqtt://user:pass@host:port` or `mqtts://…`; the first line of `password_file` stands for the password.

    ValueError says what is wrong and how to write it; OSError when the password file cannot be read.

    >>> str(broker_address("mqtts://sim:secret@broker.example"))
    'mqtts://broker.example:8883'
    """
    parts = urlsplit(url)
    wanted = "write mqtt://HOST:PORT or mqtts://USER:PASSWORD@HOST:PORT"
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{_without_password(url)!r} is no address of a broker; {wanted}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{_without_password(url)!r} has something after the port; {wanted}")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise ValueError(f"{_without_password(url)!r} has no usable port (1 to 65535); {wanted}") from None
    password = unquote(parts.password) if parts.password is not None else None
    if password_file:
        password = password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    username = unquote(parts.username) if parts.username else None
    return BrokerAddress(parts.hostname, port, parts.scheme == "mqtts", username, password, ca_file)


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}…@{rest.rpartition('@')[2]}" if "@" in rest else url
