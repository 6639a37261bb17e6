"""The state of a device as people see it: online, stale, offline or never seen."""

from __future__ import annotations

from collections.abc import Iterable

from api.answers import State
from api.backend import Connection
from processing.pilot import Kind

#: silence after which a device of no declared kind counts as stale
UNREGISTERED_STALE_NS = 15 * 60 * 10**9


def device_state(kind: Kind | None, connection: Connection, newest: Iterable[tuple[int, int]], now_ns: int) -> State:
    """Decide the state. `newest` holds (event time, receive time) of the latest reading of each metric, ns.

    `offline` on the status topic wins until newer data comes. Age counts by the time stamp of the data, so that a
    backfill of last month makes no device look alive; one that measures nothing counts by when it was last heard of.

    >>> device_state(None, Connection(), [], now_ns=0)
    'never_seen'
    >>> device_state(None, Connection("offline", status_ns=5, last_seen_ns=5), [(4, 4)], now_ns=6)
    'offline'
    >>> device_state(None, Connection("offline", status_ns=5, last_seen_ns=7), [(7, 7)], now_ns=8)
    'online'
    """
    readings = list(newest)
    heard_ns = max((received for _, received in readings), default=None)
    if connection.status == "offline" and (heard_ns is None or heard_ns <= (connection.status_ns or 0)):
        return "offline"
    signs = [time_ns for time_ns, _ in readings]
    if connection.status == "online" and connection.status_ns is not None:
        signs.append(connection.status_ns)
    if connection.last_seen_ns is not None and not readings:
        signs.append(connection.last_seen_ns)
    if not signs:
        return "never_seen"
    stale_after_ns = kind.stale_after_ns if kind else UNREGISTERED_STALE_NS
    return "online" if now_ns - max(signs) <= stale_after_ns else "stale"
