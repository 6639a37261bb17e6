"""Raw MQTT frames where the codec is not used: acknowledgements by the hundred, and packets that the codec refuses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def pubacks(packet_ids: list[int]) -> bytes:
    """Write the PUBACK packets (reason: success) of many packet ids at once.

    >>> pubacks([1, 258]).hex(" ")
    '40 02 00 01 40 02 01 02'
    """
    frames = np.empty((len(packet_ids), 4), np.uint8)
    frames[:, 0], frames[:, 1] = 0x40, 0x02
    frames[:, 2:] = np.array(packet_ids, ">u2").view(np.uint8).reshape(-1, 2)
    return frames.tobytes()


class BadPublish(NamedTuple):
    """A PUBLISH that the codec refuses. `topic` begins with an `!`, which no topic of ours does."""

    topic: str
    payload: bytes
    packet_id: int | None
    size: int


def bad_publish(frame: memoryview) -> BadPublish | None:
    r"""Take apart, as far as it goes, a complete PUBLISH frame that the codec refuses; None when it is no PUBLISH.

    >>> bad_publish(memoryview(bytes([0x32, 7, 0, 1, 0xff, 0, 9, 0, 65])))
    BadPublish(topic='!\\xff', payload=b'\x00\x01\xff\x00\t\x00A', packet_id=9, size=9)
    """
    length, start = _remaining_length(frame)
    if length is None or frame[0] >> 4 != 3 or len(frame) < start + length or length < 2:
        return None
    body = bytes(frame[start : start + length])
    topic_end = 2 + int.from_bytes(body[:2], "big")
    topic = "!" + body[2:topic_end].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    has_id = (frame[0] >> 1) & 3 > 0 and len(body) >= topic_end + 2
    packet_id = int.from_bytes(body[topic_end : topic_end + 2], "big") if has_id else None
    return BadPublish(topic[:500], body, packet_id, start + length)


def _remaining_length(frame: memoryview) -> tuple[int | None, int]:
    length = 0
    for i in range(1, min(len(frame), 5)):
        length |= (frame[i] & 0x7F) << (7 * (i - 1))
        if not frame[i] & 0x80:
            return length, i + 1
    return None, 0
