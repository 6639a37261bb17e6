"""Reads Rasad's live stream and notes how old each probe's reading is when it arrives.

    python -m benchmarks.stream_reader HTTP_PORT TOKEN

Prints `ready` when the stream is open. When a line comes on stdin it prints the latencies so far in seconds as a JSON
list, and forgets them. Only probes count: each of their readings is shown, while a busy device's newer reading replaces
an older one that was not shown yet, and counting only survivors would flatter.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

import msgspec


class _Item(msgspec.Struct):
    device: str
    metric: str
    time_ms: float


class _Latest(msgspec.Struct):
    items: list[_Item]


def follow(port: int, token: str, latencies_s: list[float]) -> None:
    """Read for ever."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/v1/stream?events=latest", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"the stream answered {answer.status}: {answer.read(300)!r}")
    print("ready", flush=True)
    decoder = msgspec.json.Decoder(_Latest)
    seen: dict[str, float] = {}
    while line := answer.readline():
        if line.startswith(b"data: "):
            now_s = time.time()
            for item in decoder.decode(line[6:]).items:
                if item.device.startswith("probe") and seen.get(item.device) != item.time_ms:
                    seen[item.device] = item.time_ms
                    latencies_s.append(now_s - item.time_ms / 1000)


def main(port: int, token: str) -> None:
    """Follow the stream and answer the questions on stdin."""
    latencies_s: list[float] = []
    threading.Thread(target=follow, args=(port, token, latencies_s), daemon=True).start()
    while sys.stdin.readline():
        found, latencies_s[:] = latencies_s[:], []
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
