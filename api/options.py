"""Settings of the API, as `service` reads them from the settings file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How the API behaves. Rates are per token (or, for refused requests, per address)."""

    version: str = "0"
    https: bool = False  # served behind TLS: cookies get `__Host-` and Secure
    open_metrics: bool = False  # /metrics without a token, for a scraper behind a network rule
    max_points: int = 1_000_000
    body_bytes: int = 65_536
    requests_per_s: float = 1_000.0
    request_burst: int = 5_000
    refusals_per_s: float = 1.0
    refusal_burst: int = 60
    keep_alive_s: float = 10.0  # a comment line on a quiet stream; the contract allows at most 15 s
    recheck_s: float = 5.0  # how long a revoked token can still read a stream
    send_timeout_s: float = 10.0  # a stream reader that takes nothing for so long is dropped
    streams_per_token: int = 50
    latest_every_s: float = 0.5  # how often changed values go out on the stream
    latest_items_per_s: int = 20_000
